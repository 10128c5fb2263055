"""A report of a window: samples of both sides made into a page, which the lake and MLflow keep."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.ports.progress import Progress
from servicio_ml.domain.ports.stats import Stats
from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.bins import Integers
from servicio_ml.features.comparison import LabelledSample, RenderPage, ReportPage, WindowComparison
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.window_drift import count_rows
from servicio_ml.lifecycle.reports import LatestReport, build_latest_key
from servicio_ml.pipeline.drift.domain_classifier import MAX_ROWS
from servicio_ml.pipeline.drift.findings import DriftFindings, build_findings
from servicio_ml.pipeline.drift.multivariate import SEED, read_training_rows, run_classifier
from servicio_ml.pipeline.drift.reference import match_seasons, read_rows
from servicio_ml.pipeline.drift.report_header import render_header
from servicio_ml.pipeline.drift.window import LoggedWindow, sample_truths, sample_window
from servicio_ml.pipeline.step_metrics import record_outcome
from servicio_ml.pipeline.training.dataset import read_true_values

STEP = "report"
SAMPLE_ROWS = 50_000
"""Maximum number of rows of each side in the plots: plots of more look the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPorts:
    """The ports that a report uses."""

    store: ObjectStore
    tracker: Tracker
    stats: Stats
    progress: Progress
    clock: Clock
    explain: RenderPage


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportResult:
    """What a report found, and where it is; None where the window has no rows."""

    findings: DriftFindings
    pointer: LatestReport | None


def create_report(use_case: UseCase, window: LoggedWindow, ports: ReportPorts) -> ReportResult:
    """Make and store the report of a window; one without rows leaves the latest report as it is.

    Args:
        use_case: Use case of the model.
        window: Window of the rows.
        ports: The ports.

    Raises:
        StoreError: The training rows are not in the lake, or it refuses.
        LogError: The log cannot be read.
        RegistryError: MLflow cannot be reached.
    """
    with record_outcome(ports.stats, ports.clock, f"{STEP}.{use_case.name}"):
        found, comparison = _build_comparison(use_case, window, ports)
        if comparison is None:
            return ReportResult(findings=found, pointer=None)
        ports.progress.report("drawing the page")
        page = ports.explain(
            comparison, render_header(found, len(comparison.rows), len(comparison.reference_rows))
        )
        pointer = LatestReport.build(use_case.name, window.info.version, ports.clock())
        _publish_report(found, page, pointer, ports)
        return ReportResult(findings=found, pointer=pointer)


def _build_comparison(
    use_case: UseCase, window: LoggedWindow, ports: ReportPorts
) -> tuple[DriftFindings, WindowComparison | None]:
    artifact, random = window.artifact, np.random.default_rng(SEED)
    ports.progress.report("counting the rows of the window")
    counts = count_rows(artifact.reference, window.read_chunks())
    some, truths = sample_window(window, SAMPLE_ROWS, random), window.read_truths()
    # no page: an empty window must not replace the latest report that shows something
    if not counts.rows:
        return build_findings(window, counts, some, truths, None, "the window has no rows"), None
    rows = read_training_rows(window, ports.store, counts.seasons, SAMPLE_ROWS, random)
    ports.progress.report(f"classifying {min(len(some.matrix), MAX_ROWS):,} of them against training rows")
    classifier, note = run_classifier(window, some.matrix, rows)
    found = build_findings(window, counts, some, truths, classifier, note)
    unseen = _read_unseen_rows(use_case, window, ports.store, counts.seasons, random)
    return found, WindowComparison(
        schema=artifact.encoder.schema,
        output=artifact.output,
        drift=found.drift,
        rows=some.matrix,
        reference_rows=rows,
        answers=some.answers,
        reference_answers=unseen.answers,
        quality=sample_truths(truths, SAMPLE_ROWS, random) if len(truths.truth) else None,
        reference_quality=unseen,
    )


def _read_unseen_rows(
    use_case: UseCase,
    window: LoggedWindow,
    store: ObjectStore,
    seasons: Integers,
    random: np.random.Generator,
) -> LabelledSample:
    """Test rows of the window's seasons: a model's answers to its own training rows are too sure."""
    frame, artifact = read_rows(store, window.info, "test"), window.artifact
    matrix = Encoder(artifact.encoder.schema).encode_frame(frame)
    chosen = match_seasons(artifact.reference, matrix, seasons, SAMPLE_ROWS, random)
    truth = read_true_values(use_case.target, frame)[chosen]
    return LabelledSample(truth=truth, answers=artifact.predict(matrix[chosen]))


def _publish_report(
    found: DriftFindings, page: ReportPage, pointer: LatestReport, ports: ReportPorts
) -> None:
    """Store page and document, then the pointer: a run that ends before leaves the latest report in place."""
    info = found.window.info
    document = {**found.to_json(), "at": pointer.at, "explained": page.document}
    tags = {
        "step": STEP, "version": str(info.version), "verdict": found.verdict, "report": pointer.html
    }  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="servicio-ml-report-") as scratch,
        ports.tracker.open_run(info.model, f"report {pointer.at}", tags=tags) as run,
    ):
        folder = Path(scratch)
        texts = {"report.html": page.html, "report.json": json.dumps(document)}
        for name, key in (("report.html", pointer.html), ("report.json", pointer.json)):
            path = folder / name
            # page and document first; the pointer that names them is stored last
            path.write_text(texts[name], encoding="utf-8")
            ports.store.put(key, path)
            run.log_artifact(path)
        run.log_metrics(_build_metrics(found))
        latest = folder / "latest.json"
        latest.write_text(json.dumps(pointer.to_json()))
        ports.store.put(build_latest_key(info.model), latest)


def _build_metrics(found: DriftFindings) -> dict[str, float]:
    metrics = {"rows": float(found.drift.rows), "drifted_share": found.drift.drifted_share}
    # one metric per column, so that MLflow draws its course over the reports
    metrics |= {f"psi_{each.name}": each.shift.psi for each in found.ranked if each.shift}
    metrics |= {f"{each.source}_{each.metric}": each.value for each in found.performance}
    return metrics if found.classifier is None else {**metrics, "multivariate_auc": found.classifier.auc}
