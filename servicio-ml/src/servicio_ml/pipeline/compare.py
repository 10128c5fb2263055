"""Champion and challenger on the same rows: metrics, a paired interval, slices."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from servicio_ml.domain.metric import METRICS, Metric
from servicio_ml.domain.promotion import Comparison, Slice
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.output import Predictions
from servicio_ml.pipeline.evaluate import score
from servicio_ml.pipeline.export import one_row_latency

Floats = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.intp]
RESAMPLES = 400
COVERAGE = 0.95
SEED = 20


def compare(
    use_case: UseCase, frame: pl.DataFrame, truth: Floats, challenger: Artifact, champion: Artifact | None
) -> Comparison:
    """Score both on the same rows.

    Args:
        use_case: With its promotion policy.
        frame: `[n]` rows with every field that either model reads; an absent one is missing.
        truth: `[n]`: class codes, or numbers.
        challenger: To be judged.
        champion: To be beaten; None where there is none.
    """
    metric = METRICS[use_case.promotion.metric]
    matrix = challenger.encoder.frame(frame)
    mine = challenger.predict(matrix)
    latency = one_row_latency(challenger.session, matrix)
    error = None if mine.probabilities is None else score("ece", truth, mine)
    value = score(metric.name, truth, mine)
    if champion is None:
        return Comparison(rows=len(truth), challenger=value, calibration_error=error, latency_seconds=latency)
    theirs = champion.predict(champion.encoder.frame(frame))
    old = score(metric.name, truth, theirs)
    return Comparison(
        rows=len(truth),
        challenger=value,
        champion=old,
        gain=metric.gain(value, old),
        interval=paired_interval(metric, truth, mine, theirs),
        slices=list(_slices(use_case, metric, frame, truth, mine, theirs)),
        calibration_error=error,
        latency_seconds=latency,
    )


def paired_interval(
    metric: Metric, truth: Floats, challenger: Predictions, champion: Predictions
) -> tuple[float, float]:
    """The 95 % percentile interval of the gain, both scored on the same resampled rows.

    Paired bootstrap (Efron and Tibshirani 1993, chapter 13), `RESAMPLES` resamples with a fixed seed.
    """
    random = np.random.default_rng(SEED)
    gains = []
    for _ in range(RESAMPLES):
        rows = random.integers(0, len(truth), len(truth))
        gains.append(_gain(metric, truth, challenger, champion, rows))
    tail = (1 - COVERAGE) / 2
    # a resample without one of the classes has no ranking; NaN in most of them must fail the gate
    low, high = (
        np.nanquantile(gains, [tail, 1 - tail]) if np.isfinite(gains).mean() > COVERAGE else (np.nan,) * 2
    )
    return float(low), float(high)


def _gain(metric: Metric, truth: Floats, challenger: Predictions, champion: Predictions, rows: Rows) -> float:
    new = score(metric.name, truth[rows], _part(challenger, rows))
    return metric.gain(new, score(metric.name, truth[rows], _part(champion, rows)))


def _part(predictions: Predictions, rows: Rows) -> Predictions:
    probabilities = predictions.probabilities
    return Predictions(
        outcomes=predictions.outcomes[rows],
        probabilities=None if probabilities is None else probabilities[rows],
    )


def _slices(
    use_case: UseCase,
    metric: Metric,
    frame: pl.DataFrame,
    truth: Floats,
    challenger: Predictions,
    champion: Predictions,
) -> Iterator[Slice]:
    policy = use_case.promotion
    for field in policy.slices:
        if field not in frame.columns:
            continue
        column = frame[field].cast(pl.String).fill_null("missing").to_numpy()
        for level in np.unique(column):
            rows = np.flatnonzero(column == level)
            if len(rows) >= policy.min_slice_rows and _judgeable(metric, truth[rows]):
                gain = _gain(metric, truth, challenger, champion, rows)
                yield Slice(field=field, level=str(level), rows=len(rows), gain=gain)


def _judgeable(metric: Metric, truth: Floats) -> bool:
    """Whether a ranking of these rows is defined: there is more than one class."""
    return not metric.ranking or len(np.unique(truth)) > 1
