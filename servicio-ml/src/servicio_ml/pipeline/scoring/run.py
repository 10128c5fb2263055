"""Offline scoring: a file's rows become part files of predictions, bad rows quarantine, resumable."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from servicio_ml.domain.dataset import SOURCE_LINE
from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.ports.progress import Progress
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.errors import SourceError
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.outliers.answer_details import NO_DETAILS, AnswerDetails
from servicio_ml.pipeline.reading.batches import RowBatches, open_batches
from servicio_ml.pipeline.reading.file_format import FileFormat, InputSpec
from servicio_ml.pipeline.reading.input_file import InputFile
from servicio_ml.pipeline.reading.rejections import summarize_causes
from servicio_ml.pipeline.scoring.output_parts import Document, OutputParts, open_output
from servicio_ml.pipeline.scoring.score_rows import PreparedRows, RowScorer, ScoredRowsResult

# large enough for good row groups, small enough to repeat after a crash
PART_ROWS = 1 << 19
"""Input rows of one part: a few seconds of work, and all that an interruption costs."""

# the first rate is shown after almost no time and must not divide by zero
CLOCK_STEP = 1e-3
"""Seconds below which no rate is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringJob:
    """What is to be scored, by what, and where to.

    Attributes:
        info: The version that scores.
        artifact: Its model.
        source: The file.
        wanted: What it is read as.
        store: Where the parts go.
        force: Whether what is there is thrown away.
        part_rows: Input rows of one part.
        details: What answers have beside the prediction.
    """

    info: ModelVersion
    artifact: Artifact
    source: InputFile
    wanted: InputSpec
    store: ObjectStore
    force: bool = False
    part_rows: int = PART_ROWS
    details: AnswerDetails = NO_DETAILS


def score_file(job: ScoringJob, progress: Progress, clock: Clock) -> Document:
    """Score a file, or go on where the same command was interrupted.

    Args:
        job: What and where to.
        progress: Who waits.
        clock: For the rate that is shown.

    Returns:
        The manifest.

    Raises:
        DataError: The file cannot be read, holds no row, changed meanwhile, or no row could be scored.
        StoreError: The store refuses, or holds the scores of something else.
    """
    batches = open_batches(job.source, job.wanted)
    if batches.file_format.absent_fields:
        progress.warn(
            f"not in the file, so missing in every row: {', '.join(batches.file_format.absent_fields)}"
        )
    record = {
        "identity": _build_identity(job, batches.file_format),
        "input": {"source": job.source.source_name},
    }
    with tempfile.TemporaryDirectory(prefix="servicio-ml-score-") as folder:
        output = open_output(job.store, record, Path(folder), force=job.force)
        if output.complete:
            progress.report("every row was scored before; --force scores them anew")
            return output.record
        if complete := len(output.record["parts"]):
            progress.report(f"going on after {complete} complete parts")
        _score_remaining(job, batches, output, progress, clock)
        _require_scores(job, output)
        manifest = output.write_manifest()
    if rejected := manifest["counts"]["quarantined"]:
        progress.warn(f"{rejected} rows are in quarantine, each with its line and reason")
    return manifest


def split_frames(frames: Iterator[pl.DataFrame], skip: int, part_rows: int) -> Iterator[pl.DataFrame]:
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


def prefetch(items: Iterator[PreparedRows]) -> Iterator[PreparedRows]:
    """The items, each made in a thread while the one before it is in use."""
    with ThreadPoolExecutor(1, "servicio-ml-read") as thread:
        # one ahead and no more: the memory stays at two batches
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item


def _require_scores(job: ScoringJob, output: OutputParts) -> None:
    """Check that a row has been scored.

    Raises:
        SourceError: Every row is in quarantine; the message names the causes.
    """
    parts = output.record["parts"]
    if any(part["scored"] for part in parts):
        return
    # from the store, as an earlier process may have written the parts
    rejected = pl.scan_parquet(job.store.fetch(parts[0]["quarantine"]))
    causes = summarize_causes(rejected, job.wanted.schema.fields, line=SOURCE_LINE, reason="reason")
    rows = sum(part["rows"] for part in parts)
    raise SourceError(
        job.source.source_name,
        f"none of its {rows} rows could be scored, mostly because {causes}; the rejected rows are in"
        f" {job.store.uri}/{parts[0]['quarantine']}: mend the file, or choose another --dialect",
    )


def _build_identity(job: ScoringJob, layout: FileFormat) -> Document:
    """What must be the same for parts to belong together."""
    return {
        "model": job.info.model,
        "version": job.info.version,
        "run_id": job.info.run_id,
        # by content: a file that was copied or moved still continues its scoring
        "sha256": job.source.digest,
        "dialect": layout.dialect,
        "keep": [*layout.kept_columns.values()],
        "part_rows": job.part_rows,
        "interval": job.details.level,
        "outlier": job.details.outlier,
    }


def _score_remaining(
    job: ScoringJob, batches: RowBatches, output: OutputParts, progress: Progress, clock: Clock
) -> None:
    """Score what is not in a complete part yet.

    Raises:
        SourceError: There is no row, or the file changed meanwhile.
    """
    answering = RowScorer(job.info, job.artifact, batches.file_format.kept_columns, job.details)
    done = sum(each["rows"] for each in output.record["parts"])
    pending: list[ScoredRowsResult] = []
    rows, started = 0, clock()

    def flush() -> None:
        # before each part is stored, as rows of two versions of a file must not mix
        job.source.check_unchanged()
        output.add(pending)
        pending.clear()

    with progress.open_bar(f"score {job.info.model}", total=job.source.estimated_rows) as advance:
        advance(done)
        cut = split_frames(batches.raw_frames, done, job.part_rows)
        for ready in prefetch(answering.prepare(batches.prepare(piece)) for piece in cut):
            pending.append(answering.score(ready))
            took = len(ready.usable) + len(ready.rejected)
            rows += took
            advance(took, note=f"{rows / max(clock() - started, CLOCK_STEP):,.0f} rows/s")
            if rows % job.part_rows == 0:
                flush()
        if pending:
            flush()
    if not done + rows:
        raise SourceError(job.source.source_name, "it holds the column names and no row")
