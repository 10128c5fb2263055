"""A report of a window: samples of both sides made into a page, which the lake and MLflow keep."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from servicio_ml.domain.ports import Clock, ObjectStore, Progress, Stats, Tracker
from servicio_ml.domain.report import Pointer, latest_key
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.comparison import Comparison, Explain, Judged, Page
from servicio_ml.features.drift import count
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.profile import Integers
from servicio_ml.pipeline.counted import counted
from servicio_ml.pipeline.drift import SEED, Findings, findings, multivariate, training_rows
from servicio_ml.pipeline.drift_window import Window, part, sample
from servicio_ml.pipeline.multivariate import MOST_ROWS
from servicio_ml.pipeline.reference import read_rows, same_seasons
from servicio_ml.pipeline.report_head import head
from servicio_ml.pipeline.rows import true_values

STEP = "report"
SAMPLE_ROWS = 50_000
"""Of each side that are shown: pictures of more look the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The ports that a report uses."""

    store: ObjectStore
    tracker: Tracker
    stats: Stats
    progress: Progress
    clock: Clock
    explain: Explain


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a report found, and where it is; None where the window has no rows."""

    findings: Findings
    pointer: Pointer | None


def report(use_case: UseCase, window: Window, desk: Desk) -> Reported:
    """Make and store the report of a window; one without rows leaves the latest report as it is.

    Args:
        use_case: Whose model.
        window: Which rows.
        desk: The ports.

    Raises:
        StoreError: The training rows are not in the lake, or it refuses.
        LogError: The log cannot be read.
        RegistryError: MLflow cannot be reached.
    """
    with counted(desk.stats, desk.clock, f"{STEP}.{use_case.name}"):
        found, comparison = _compared(use_case, window, desk)
        if comparison is None:
            return Reported(findings=found, pointer=None)
        desk.progress.say("drawing the page")
        page = desk.explain(comparison, head(found, len(comparison.rows), len(comparison.reference_rows)))
        pointer = Pointer.of(use_case.name, window.info.version, desk.clock())
        _publish(found, page, pointer, desk)
        return Reported(findings=found, pointer=pointer)


def _compared(use_case: UseCase, window: Window, desk: Desk) -> tuple[Findings, Comparison | None]:
    artifact, random = window.artifact, np.random.default_rng(SEED)
    desk.progress.say("counting the rows of the window")
    counts = count(artifact.reference, window.chunks())
    some, truths = sample(window, SAMPLE_ROWS, random), window.truths()
    if not counts.rows:
        return findings(window, counts, some, truths, None, "the window has no rows"), None
    rows = training_rows(window, desk.store, counts.seasons, SAMPLE_ROWS, random)
    desk.progress.say(f"telling {min(len(some.matrix), MOST_ROWS):,} of them from training rows")
    apart, note = multivariate(window, some.matrix, rows)
    found = findings(window, counts, some, truths, apart, note)
    unseen = _unseen(use_case, window, desk.store, counts.seasons, random)
    return found, Comparison(
        schema=artifact.encoder.schema, output=artifact.output, drift=found.drift, rows=some.matrix,
        reference_rows=rows, answers=some.answers, reference_answers=unseen.answers,
        quality=part(truths, SAMPLE_ROWS, random) if len(truths.truth) else None, reference_quality=unseen,
    )  # fmt: skip


def _unseen(
    use_case: UseCase, window: Window, store: ObjectStore, seasons: Integers, random: np.random.Generator
) -> Judged:
    """Test rows of the window's seasons: a model's answers to its own training rows are too sure."""
    frame, artifact = read_rows(store, window.info, "test"), window.artifact
    matrix = Encoder(artifact.encoder.schema).frame(frame)
    chosen = same_seasons(artifact.reference, matrix, seasons, SAMPLE_ROWS, random)
    truth = true_values(use_case.target, frame)[chosen]
    return Judged(truth=truth, answers=artifact.predict(matrix[chosen]))


def _publish(found: Findings, page: Page, pointer: Pointer, desk: Desk) -> None:
    """Store page and document, then the pointer: a run that ends before leaves the latest report in place."""
    info = found.window.info
    document = {**found.to_json(), "at": pointer.at, "explained": page.document}
    tags = {
        "step": STEP, "version": str(info.version), "verdict": found.verdict, "report": pointer.html
    }  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="servicio-ml-report-") as scratch,
        desk.tracker.run(info.model, f"report {pointer.at}", tags=tags) as run,
    ):
        folder = Path(scratch)
        texts = {"report.html": page.html, "report.json": json.dumps(document)}
        for name, key in (("report.html", pointer.html), ("report.json", pointer.json)):
            path = folder / name
            path.write_text(texts[name], encoding="utf-8")
            desk.store.put(key, path)
            run.artifact(path)
        run.metrics(_metrics(found))
        latest = folder / "latest.json"
        latest.write_text(json.dumps(pointer.to_json()))
        desk.store.put(latest_key(info.model), latest)


def _metrics(found: Findings) -> dict[str, float]:
    metrics = {"rows": float(found.drift.rows), "drifted_share": found.drift.drifted_share}
    metrics |= {f"psi_{each.name}": each.shift.psi for each in found.ranked if each.shift}
    metrics |= {f"{each.source}_{each.metric}": each.value for each in found.performance}
    return metrics if found.apart is None else {**metrics, "multivariate_auc": found.apart.auc}
