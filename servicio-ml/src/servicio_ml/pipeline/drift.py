"""What a window's rows say of a version: drift of each column, of all together, and what it costs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import numpy as np

from servicio_ml.domain.policy import JUDGED_DEVIATIONS, JUDGED_ROWS
from servicio_ml.domain.ports import ObjectStore
from servicio_ml.domain.schema import FeatureSchema, Kind
from servicio_ml.errors import StoreError
from servicio_ml.features.comparison import Judged
from servicio_ml.features.drift import Column, Counts, Drift, count, judge
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.profile import Integers, Numbers, Profile
from servicio_ml.pipeline.drift_window import Sampled, Window, realised_confusion, sample
from servicio_ml.pipeline.multivariate import LEAST_ROWS, MOST_ROWS, Apart, bounded, tell_apart
from servicio_ml.pipeline.reference import read_rows, same_seasons

SEED = 1234


class Verdict(StrEnum):
    """What a window comes to."""

    NONE = "none"
    DRIFT = "drift"
    IMPACT = "impact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """One metric of the window.

    Attributes:
        metric: `accuracy`, `f1_macro` or `mae`.
        source: `expected`, from the model's own probabilities, or `realised`, from ground truth.
        value: In the metric's unit.
        limit: What the reference allows, its seasons weighted by the window's rows.
        rows: That it was measured on.
        beyond: Whether it is beyond the limit, on enough rows, and by more than chance.
    """

    metric: str
    source: str
    value: float
    limit: float
    rows: int
    beyond: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that is found of a window.

    Attributes:
        window: Which.
        drift: Of every column, from all rows.
        performance: Expected and realised.
        apart: Multivariate drift; None where it cannot be told.
        note: Why not.
    """

    window: Window
    drift: Drift
    performance: Sequence[Performance]
    apart: Apart | None
    note: str = ""

    @property
    def ranked(self) -> list[Column]:
        """Features and prediction, the one that is farthest over its threshold first."""
        return sorted((*self.drift.features, self.drift.prediction), key=_excess, reverse=True)

    @property
    def verdict(self) -> Verdict:
        if any(each.beyond for each in self.performance):
            return Verdict.IMPACT
        moved = any(each.drifted for each in (*self.drift.features, self.drift.prediction))
        together = self.apart is not None and self.apart.drifted
        return Verdict.DRIFT if moved or together else Verdict.NONE

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.window.info.model, "version": self.window.info.version,
            "window": {"start": _iso(self.window.start), "end": _iso(self.window.end)},
            "rows": self.drift.rows, "reference_rows": round(self.drift.reference_rows),
            "verdict": self.verdict, "drifted_share": self.drift.drifted_share,
            "columns": [_column(each, self.drift) for each in self.ranked],
            "performance": [asdict(each) for each in self.performance],
            "multivariate": {**asdict(self.apart), "drifted": self.apart.drifted} if self.apart else None,
            "multivariate_note": self.note,
        }  # fmt: skip


def find(window: Window, store: ObjectStore) -> Findings:
    """Count, judge and classify the rows of a window.

    Args:
        window: Which.
        store: Holds the training rows; without them multivariate drift cannot be told.

    Raises:
        LogError: The log cannot be read.
    """
    reference, random = window.artifact.reference, np.random.default_rng(SEED)
    counts = count(reference, window.chunks())
    some = sample(window, MOST_ROWS, random)
    apart, note = None, ""
    try:
        rows = training_rows(window, store, counts.seasons, MOST_ROWS, random) if counts.rows else some.matrix
        apart, note = multivariate(window, some.matrix, rows)
    except StoreError as error:
        note = str(error)
    return findings(window, counts, some, window.truths(), apart, note)


def findings(
    window: Window, counts: Counts, some: Sampled, truths: Judged, apart: Apart | None, note: str
) -> Findings:
    """What was counted, judged by the reference."""
    reference = window.artifact.reference
    found = performance(reference, counts.seasons, some.confusion, truths)
    return Findings(window=window, drift=judge(reference, counts), performance=found, apart=apart, note=note)


def training_rows(
    window: Window, store: ObjectStore, seasons: Integers, most: int, random: np.random.Generator
) -> Numbers:
    """`[n, fields]`: training rows of the window's seasons.

    Raises:
        StoreError: They are not in the lake.
    """
    schema = window.artifact.encoder.schema
    matrix = Encoder(schema).frame(read_rows(store, window.info, "train"))[:, : len(schema.fields)]
    return matrix[same_seasons(window.artifact.reference, matrix, seasons, most, random)]


def multivariate(window: Window, rows: Numbers, reference: Numbers) -> tuple[Apart | None, str]:
    """How well the rows are told from the reference, and why that cannot be said where it cannot."""
    fewest = min(len(rows), len(reference))
    places = undated(window.artifact.encoder.schema)
    if fewest < LEAST_ROWS or not places:
        return None, f"{LEAST_ROWS} rows of each side and a field that is no date are needed"
    random, names = np.random.default_rng(SEED), window.artifact.encoder.schema.field_names
    now, then = (
        ordered(window.artifact.encoder.schema, bounded(side, random))[:, places]
        for side in (rows, reference)
    )
    policy = window.artifact.reference.policy
    return tell_apart(now, then, [names[i] for i in places], policy, seed=SEED), ""


def ordered(schema: FeatureSchema, matrix: Numbers) -> Numbers:
    """Rows by their first date; where there is none, as they were logged or read."""
    dates = [i for i, each in enumerate(schema.fields) if each.kind is Kind.DATE]
    return matrix[np.argsort(matrix[:, dates[0]], kind="stable")] if dates else matrix


def undated(schema: FeatureSchema) -> list[int]:
    """Places of the fields that are no dates: every date after the training rows is new."""
    return [i for i, each in enumerate(schema.fields) if each.kind is not Kind.DATE]


def performance(
    reference: Profile, seasons: Integers, expected: Numbers, truths: Judged
) -> list[Performance]:
    """Each watched metric, as expected and as realised, beside its limit.

    Args:
        reference: Has the limits.
        seasons: Rows of the window in each season.
        expected: `[classes, classes]`, predicted by expected; empty in a regression.
        truths: Of the window.
    """
    found: list[Performance] = []
    if rows := len(truths.truth):
        if classes := len(expected):
            found += _of_classes(reference, seasons, "realised", realised_confusion(truths, classes))
        else:
            value = float(np.abs(truths.truth - truths.answers.outcomes).mean())
            most = _limit(reference, seasons, "mae")
            found.append(
                Performance(
                    metric="mae", source="realised", value=value, limit=most, rows=rows,
                    beyond=rows >= JUDGED_ROWS and not value <= most,
                )
            )  # fmt: skip
    if expected.sum():
        found += _of_classes(reference, seasons, "expected", expected)
    return found


def scores(confusion: Numbers) -> dict[str, float]:
    """Accuracy and F1-macro of a confusion matrix `[classes, classes]`, predicted by actual.

    The mean of F1 is over the classes that were predicted or happened.
    """
    both = confusion.sum(axis=0) + confusion.sum(axis=1)
    f1 = 2 * np.diag(confusion)[both > 0] / both[both > 0]
    return {"accuracy": float(np.trace(confusion) / confusion.sum()), "f1_macro": float(f1.mean())}


def _of_classes(
    reference: Profile, seasons: Integers, source: str, confusion: Numbers
) -> Iterator[Performance]:
    """Both metrics of a confusion matrix; the alerts judge by the same numbers."""
    rows, rarest = confusion.sum(), confusion.sum(axis=0).min()
    for metric, value in scores(confusion).items():
        least = _limit(reference, seasons, metric)
        accuracy = metric == "accuracy"
        variance = reference.policy.design_effect * least * (1 - least) / rows
        chance = JUDGED_DEVIATIONS * np.sqrt(variance) if accuracy else 0.0
        enough = (rows if accuracy else rarest) >= JUDGED_ROWS
        # written so that NaN is beyond
        yield Performance(
            metric=metric, source=source, value=value, limit=least, rows=round(rows),
            beyond=bool(enough and not value >= least - chance),
        )  # fmt: skip


def _limit(reference: Profile, seasons: Integers, metric: str) -> float:
    """What a metric is beyond, the seasons weighted by the window's rows."""
    limits = [reference.policy.limit(metric, each.performance[metric]) for each in reference.seasons.values()]
    return float(seasons @ np.array(limits) / seasons.sum())


def _excess(column: Column) -> float:
    return column.shift.psi / column.shift.threshold if column.shift else 0.0


def _column(column: Column, drift: Drift) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": "prediction" if column is drift.prediction else "feature",
        "psi": column.shift.psi if column.shift else None,
        "threshold": column.shift.threshold if column.shift else None,
        "drifted": column.drifted,
        "missing": float(column.counts[-1] / drift.rows) if drift.rows else None,
        "reference_missing": float(column.shares[-1]),
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
