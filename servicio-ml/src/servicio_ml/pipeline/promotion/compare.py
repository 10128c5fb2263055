"""Champion and challenger on the same rows: metrics, a paired interval, slices."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from servicio_ml.domain.metric import METRICS, Metric
from servicio_ml.domain.promotion import PromotionComparison, SliceResult
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.output import Predictions
from servicio_ml.features.performance.group_rates import compute_group_rates
from servicio_ml.pipeline.evaluate import compute_metric
from servicio_ml.pipeline.training.dataset import read_weights
from servicio_ml.pipeline.training.export import measure_latency

Floats = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.intp]
# enough for the 2.5 % tails; each resample computes the metric twice
RESAMPLES = 400
COVERAGE = 0.95
# fixed: judging the same versions again must give the same decision
SEED = 20


def compare(
    use_case: UseCase, frame: pl.DataFrame, truth: Floats, challenger: Artifact, champion: Artifact | None
) -> PromotionComparison:
    """Score both on the same rows.

    Args:
        use_case: With its promotion policy.
        frame: `[n]` rows with every field that either model reads, an absent one is missing; and with the
            weight of each row where the use case names one.
        truth: `[n]`: class codes, or numbers.
        challenger: To be judged.
        champion: To be beaten; None where there is none.

    Raises:
        TrainingError: The rows have no weights, and the use case names one.
    """
    metric, weights = METRICS[use_case.promotion.metric], read_weights(use_case, frame)
    matrix = challenger.encoder.encode_frame(frame)
    mine = challenger.predict(matrix)
    latency = measure_latency(challenger.scorer, matrix)
    error = None if mine.probabilities is None else compute_metric("ece", truth, mine, weights)
    value = compute_metric(metric.name, truth, mine, weights)
    names = [each.field for each in use_case.protected_segments]
    profiles = {each.field: each for each in challenger.reference.segments}
    known = [profiles[name] for name in names if name in profiles]
    alone = PromotionComparison(
        rows=len(truth), challenger=value, calibration_error=error, latency_seconds=latency,
        fairness=compute_group_rates(known, matrix, truth, mine, weights),
        unmeasured=[name for name in names if name not in profiles],
    )  # fmt: skip
    if champion is None:
        return alone
    # each model encodes with its own schema, which may have other fields
    answers = champion.predict(champion.encoder.encode_frame(frame))
    # both are measured by the challenger's objective: the champion may be of an earlier one
    theirs = replace(answers, quantile=mine.quantile)
    old = compute_metric(metric.name, truth, theirs, weights)
    return replace(
        alone,
        champion=old,
        gain=metric.compute_gain(value, old),
        interval=compute_paired_interval(metric, truth, mine, theirs, weights),
        slices=list(_compare_slices(use_case, metric, frame, truth, mine, theirs, weights)),
    )


def compute_paired_interval(
    metric: Metric,
    truth: Floats,
    challenger: Predictions,
    champion: Predictions,
    weights: Floats | None = None,
) -> tuple[float, float]:
    """The 95 % percentile interval of the gain, both scored on the same resampled rows.

    Paired bootstrap (Efron and Tibshirani 1993, chapter 13), `RESAMPLES` resamples with a fixed seed.
    """
    random = np.random.default_rng(SEED)
    gains = []
    for _ in range(RESAMPLES):
        # the same rows for both: their difference varies far less than each value
        rows = random.integers(0, len(truth), len(truth))
        gains.append(_compute_gain(metric, truth, challenger, champion, weights, rows))
    tail = (1 - COVERAGE) / 2
    # a resample without one of the classes has no ranking; NaN in most of them must fail the gate
    low, high = (
        np.nanquantile(gains, [tail, 1 - tail]) if np.isfinite(gains).mean() > COVERAGE else (np.nan,) * 2
    )
    return float(low), float(high)


def _compute_gain(
    metric: Metric,
    truth: Floats,
    challenger: Predictions,
    champion: Predictions,
    weights: Floats | None,
    rows: Rows,
) -> float:
    chosen = None if weights is None else weights[rows]
    new = compute_metric(metric.name, truth[rows], challenger.select(rows), chosen)
    return metric.compute_gain(new, compute_metric(metric.name, truth[rows], champion.select(rows), chosen))


def _compare_slices(
    use_case: UseCase,
    metric: Metric,
    frame: pl.DataFrame,
    truth: Floats,
    challenger: Predictions,
    champion: Predictions,
    weights: Floats | None,
) -> Iterator[SliceResult]:
    policy = use_case.promotion
    for field in policy.slices:
        # an optional column may be absent in this period
        if field not in frame.columns:
            continue
        # missing is a level of its own: models often fail there first
        column = frame[field].cast(pl.String).fill_null("missing").to_numpy()
        for level in np.unique(column):
            rows = np.flatnonzero(column == level)
            if len(rows) >= policy.min_slice_rows and _is_defined(metric, truth[rows]):
                gain = _compute_gain(metric, truth, challenger, champion, weights, rows)
                yield SliceResult(field=field, level=str(level), rows=len(rows), gain=gain)


def _is_defined(metric: Metric, truth: Floats) -> bool:
    """Whether a ranking of these rows is defined: there is more than one class."""
    return not metric.ranking or len(np.unique(truth)) > 1
