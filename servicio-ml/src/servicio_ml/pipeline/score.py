"""Offline scoring: a file's rows become part files of predictions, bad rows quarantine, resumable."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from servicio_ml.domain.ports import Clock, ModelVersion, ObjectStore, Progress, Registry
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.errors import NoSuchModelError, SourceError
from servicio_ml.features.artifact import Artifact
from servicio_ml.pipeline.answers import Answering, Ready, Scored
from servicio_ml.pipeline.batches import Batches, Source, open_batches
from servicio_ml.pipeline.layout import Layout, Wanted
from servicio_ml.pipeline.parts import Document, Parts, begin

PART_ROWS = 1 << 19
"""Input rows of one part: a few seconds of work, and all that an interruption costs."""

CLOCK_STEP = 1e-3
"""Seconds below which no rate can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be scored, by what, and where to.

    Attributes:
        info: The version that scores.
        artifact: Its model.
        source: The file.
        wanted: What it is read as.
        store: Where the parts go.
        force: Whether what is there is thrown away.
        part_rows: Input rows of one part.
    """

    info: ModelVersion
    artifact: Artifact
    source: Source
    wanted: Wanted
    store: ObjectStore
    force: bool = False
    part_rows: int = PART_ROWS


def find_version(registry: Registry, model: str, wanted: str) -> ModelVersion:
    """A version by its number or alias; the champion when `wanted` is empty.

    Raises:
        NoSuchModelError: There is none.
        RegistryError: MLflow cannot be reached.
    """
    if wanted.isascii() and wanted.isdigit():
        return registry.version(model, int(wanted))
    alias = wanted or CHAMPION
    found = registry.resolve(model, alias)
    if found is None:
        remedy = f"see `servicio-ml history {model}`" if wanted else f"run `servicio-ml train {model}` first"
        raise NoSuchModelError(model, f"version with the alias {alias!r}", remedy)
    return found


def score(job: Job, progress: Progress, clock: Clock) -> Document:
    """Score a file, or go on where the same command was interrupted.

    Args:
        job: What and where to.
        progress: Who waits.
        clock: For the rate that is shown.

    Returns:
        The manifest.

    Raises:
        DataError: The file cannot be read, holds no row, or changed meanwhile.
        StoreError: The store refuses, or holds the scores of something else.
    """
    batches = open_batches(job.source, job.wanted)
    if batches.layout.absent:
        progress.warn(f"not in the file, so missing in every row: {', '.join(batches.layout.absent)}")
    record = {"identity": _identity(job, batches.layout), "input": {"source": job.source.named}}
    with tempfile.TemporaryDirectory(prefix="servicio-ml-score-") as folder:
        parts = begin(job.store, record, Path(folder), force=job.force)
        if parts.complete:
            progress.say("every row was scored before; --force scores them anew")
            return parts.record
        if whole := len(parts.record["parts"]):
            progress.say(f"going on after {whole} whole parts")
        _fill(job, batches, parts, progress, clock)
        manifest = parts.finish()
    if rejected := manifest["counts"]["quarantined"]:
        progress.warn(f"{rejected} rows are in quarantine, each with its line and reason")
    return manifest


def pieces(frames: Iterator[pl.DataFrame], skip: int, part_rows: int) -> Iterator[pl.DataFrame]:
    """Frames without their first `skip` rows, cut wherever a part is full."""
    position = 0
    for each in frames:
        frame = each
        while len(frame):
            room = skip - position if position < skip else part_rows - position % part_rows
            piece, frame = frame[:room], frame[room:]
            if position >= skip:
                yield piece
            position += len(piece)


def ahead(items: Iterator[Ready]) -> Iterator[Ready]:
    """The items, each made in a thread while the one before it is in use."""
    with ThreadPoolExecutor(1, "servicio-ml-read") as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item


def _identity(job: Job, layout: Layout) -> Document:
    """What must be the same for parts to belong together."""
    return {
        "model": job.info.model,
        "version": job.info.version,
        "run_id": job.info.run_id,
        "sha256": job.source.digest,
        "dialect": layout.dialect,
        "keep": [*layout.kept.values()],
        "part_rows": job.part_rows,
    }


def _fill(job: Job, batches: Batches, parts: Parts, progress: Progress, clock: Clock) -> None:
    """Score what is not in a whole part yet.

    Raises:
        SourceError: There is no row, or the file changed meanwhile.
    """
    answering = Answering(job.info, job.artifact, batches.layout.kept)
    done = sum(part["rows"] for part in parts.record["parts"])
    gathered: list[Scored] = []
    rows, started = 0, clock()

    def flush() -> None:
        job.source.refuse_changed()
        parts.add(gathered)
        gathered.clear()

    with progress.bar(f"score {job.info.model}", total=job.source.rows) as advance:
        advance(done)
        cut = pieces(batches.raw, done, job.part_rows)
        for ready in ahead(answering.ready(batches.prepare(piece)) for piece in cut):
            gathered.append(answering.answer(ready))
            took = len(ready.usable) + len(ready.rejected)
            rows += took
            advance(took, note=f"{rows / max(clock() - started, CLOCK_STEP):,.0f} rows/s")
            if rows % job.part_rows == 0:
                flush()
        if gathered:
            flush()
    if not done + rows:
        raise SourceError(job.source.named, "it holds the column names and no row")
