"""What a window's rows say of a version: drift of each column, of all together, and what it costs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import numpy as np

from servicio_ml.domain.policy import MIN_EVALUATED_ROWS
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.errors import StoreError
from servicio_ml.features.comparison import LabelledSample
from servicio_ml.features.window_drift import (
    DriftColumn,
    WindowCounts,
    WindowDrift,
    count_rows,
    evaluate_drift,
)
from servicio_ml.pipeline.drift.domain_classifier import (
    MAX_ROWS,
    ClassifierResult,
)
from servicio_ml.pipeline.drift.multivariate import SEED, read_training_rows, run_classifier
from servicio_ml.pipeline.drift.performance import WindowPerformance, compute_performance
from servicio_ml.pipeline.drift.window import (
    LoggedWindow,
    WindowSample,
    sample_window,
)


class DriftVerdict(StrEnum):
    """What a window comes to."""

    NONE = "none"
    DRIFT = "drift"
    IMPACT = "impact"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFindings:
    """Everything that is found of a window.

    Attributes:
        window: Window that was analysed.
        drift: Drift of every column, from all rows.
        performance: Expected and realised metrics.
        classifier: Multivariate drift; None where it cannot be measured.
        note: Reason why there is no multivariate drift.
    """

    window: LoggedWindow
    drift: WindowDrift
    performance: Sequence[WindowPerformance]
    classifier: ClassifierResult | None
    note: str = ""

    @property
    def ranked(self) -> list[DriftColumn]:
        """Features and prediction, the one that is farthest over its threshold first."""
        return sorted((*self.drift.features, self.drift.prediction), key=_compute_excess, reverse=True)

    @property
    def verdict(self) -> DriftVerdict:
        # lost performance outranks drift: it is a loss, drift is only a possible cause
        if any(each.beyond for each in self.performance):
            return DriftVerdict.IMPACT
        drifted = any(each.drifted for each in (*self.drift.features, self.drift.prediction))
        together = self.classifier is not None and self.classifier.drifted
        return DriftVerdict.DRIFT if drifted or together else DriftVerdict.NONE

    @property
    def proposal(self) -> str:
        """What to do about drift while the realised performance holds; empty where that is not known."""
        # expected performance is no evidence here: under drift, its probabilities may be wrong themselves
        realised = [each for each in self.performance if each.source == "realised"]
        is_known = any(each.rows >= MIN_EVALUATED_ROWS for each in realised)
        if self.verdict is not DriftVerdict.DRIFT or not is_known:
            return ""
        model = self.window.info.model
        return (
            "the realised performance holds: take these rows into model and reference by "
            f"`servicio-ml etl {model}` and `servicio-ml train {model}`, and accept the drift until then by "
            f"`servicio-ml acknowledge {model}`"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.window.info.model, "version": self.window.info.version,
            "window": {"start": _format_time(self.window.start), "end": _format_time(self.window.end)},
            "rows": self.drift.rows, "reference_rows": round(self.drift.reference_rows),
            "verdict": self.verdict, "proposal": self.proposal, "drifted_share": self.drift.drifted_share,
            "columns": [_convert_column(each, self.drift) for each in self.ranked],
            "performance": [asdict(each) for each in self.performance],
            "multivariate": None if self.classifier is None
            else {**asdict(self.classifier), "drifted": self.classifier.drifted},
            "multivariate_note": self.note,
        }  # fmt: skip


def analyze_window(window: LoggedWindow, store: ObjectStore) -> DriftFindings:
    """Count, judge and classify the rows of a window.

    Args:
        window: Window that was analysed.
        store: Holds the training rows; without them multivariate drift cannot be measured.

    Raises:
        LogError: The log cannot be read.
    """
    reference, random = window.artifact.reference, np.random.default_rng(SEED)
    counts = count_rows(reference, window.read_chunks())
    some = sample_window(window, MAX_ROWS, random)
    classifier, note = None, ""
    try:
        rows = (
            read_training_rows(window, store, counts.seasons, MAX_ROWS, random)
            if counts.rows
            else some.matrix
        )
        classifier, note = run_classifier(window, some.matrix, rows)
    except StoreError as error:
        note = str(error)
    return build_findings(window, counts, some, window.read_truths(), classifier, note)


def build_findings(
    window: LoggedWindow,
    counts: WindowCounts,
    some: WindowSample,
    truths: LabelledSample,
    classifier: ClassifierResult | None,
    note: str,
) -> DriftFindings:
    """Judge the counts of a window by the reference."""
    reference = window.artifact.reference
    found = compute_performance(reference, counts.seasons, some.expected, truths)
    return DriftFindings(
        window=window,
        drift=evaluate_drift(reference, counts),
        performance=found,
        classifier=classifier,
        note=note,
    )


def _compute_excess(column: DriftColumn) -> float:
    return column.shift.psi / column.shift.threshold if column.shift else 0.0


def _convert_column(column: DriftColumn, drift: WindowDrift) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": "prediction" if column is drift.prediction else "feature",
        "psi": column.shift.psi if column.shift else None,
        "threshold": column.shift.threshold if column.shift else None,
        "drifted": column.drifted,
        "missing": float(column.counts[-1] / drift.rows) if drift.rows else None,
        "reference_missing": float(column.shares[-1]),
    }


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
