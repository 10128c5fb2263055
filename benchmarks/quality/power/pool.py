"""Rows that streams are drawn from, and the streams: rows by day, in the order of their days."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from benchmarks.quality.expected.models import AnsweredRows, MonitoredModel

from servicio_ml.features.output import Predictions
from servicio_ml.features.profile import ReferenceProfile, compute_months

Array = npt.NDArray[Any]
DAYS_PER_MONTH = 30
NOT_DRAWN = 2.0
"""Key above all random ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Answered rows.

    Attributes:
        predictions: Answers.
        truth: Class codes, or numbers, `[n]`.
        day_starts: First row of each day, then the number of rows, `[days + 1]`; empty where rows have no
            days.
        months: Calendar month, 1 to 12, of each row `[n]`; 0 without days.
        fields: Values of the fields, `[n, fields]`.
        unseen: Value of each metric on unseen rows of the row's season, `[n]` each, from which limits follow.
        errors: Expected absolute error of each row, `[n]`; zeros for classes.
        squared_ratio: Expected squared error of a row as a multiple of the square of `errors`.
    """

    predictions: Predictions
    truth: Array
    day_starts: Array
    months: Array
    fields: Array
    unseen: Mapping[str, Array]
    errors: Array
    squared_ratio: float = 1.0

    @property
    def has_classes(self) -> bool:
        return self.predictions.probabilities is not None

    @property
    def losses(self) -> Array:
        """Loss of each row `[n]`: 1 for a wrong class, or the absolute error."""
        if self.has_classes:
            return np.asarray(self.truth != self.predictions.outcomes, dtype=float)
        return np.abs(self.truth - self.predictions.outcomes)

    @property
    def doubt(self) -> Array:
        """Expected loss of each row `[n]`, without its truth."""
        probabilities = self.predictions.probabilities
        if probabilities is None:
            return self.errors
        return np.asarray(
            1 - probabilities[np.arange(len(probabilities)), self.predictions.outcomes.astype(int)]
        )


def build_production_pool(model: MonitoredModel) -> Pool:
    """Build the pool of a model's production rows, the earliest first."""
    rows, artifact = model.production, model.artifact
    days = get_days(model, rows)
    order = np.argsort(days, kind="stable")
    matrix = rows.matrix[order]
    fields = matrix[:, : len(artifact.encoder.schema.owners)]
    predictions = rows.predictions.select(order)
    error_model = artifact.uncertainty.error_model if artifact.uncertainty else None
    return Pool(
        predictions=predictions, truth=rows.truth[order], day_starts=find_day_starts(days[order]),
        months=compute_months(days[order]), fields=fields, unseen=find_unseen(artifact.reference, fields),
        errors=error_model.estimate_errors(matrix, predictions.outcomes)
        if error_model
        else np.zeros(len(order)),
        squared_ratio=error_model.squared_ratio if error_model else 1.0,
    )  # fmt: skip


def build_reference_pool(model: MonitoredModel) -> Pool:
    """Build the pool of a model's training rows with answers of other folds' models; it has no fields."""
    rows = model.reference
    days = get_days(model, rows)
    order = np.argsort(days, kind="stable")
    return Pool(
        predictions=rows.predictions.select(order), truth=rows.truth[order],
        day_starts=find_day_starts(days[order]), months=compute_months(days[order]),
        fields=np.empty((len(order), 0)), unseen={}, errors=np.zeros(len(order)),
    )  # fmt: skip


def get_days(model: MonitoredModel, rows: AnsweredRows) -> Array:
    """Get the day of each row since 1970, `[n]`; NaN where the use case has no date of an event."""
    name = model.use_case.event_date
    if not name:
        return np.full(len(rows.truth), np.nan)
    return rows.frame[name].to_numpy().astype("datetime64[D]").astype(float)


def find_day_starts(days: Array) -> Array:
    """Find the first row of each day of sorted days, then their number."""
    if np.isnan(days).any():
        return np.empty(0, dtype=np.int64)
    return np.append(np.unique(days, return_index=True)[1], len(days))


def find_unseen(reference: ReferenceProfile, fields: Array) -> dict[str, Array]:
    """Find what each metric was on unseen rows of the season of each row, `[n]` each."""
    seasons = list(reference.seasons.values())
    places = np.concatenate([reference.count_seasons(fields[i : i + 1])[None] for i in range(len(fields))])
    return {
        metric: np.array([each.performance[metric] for each in seasons])[places.argmax(axis=1)]
        for metric in seasons[0].performance
    }


def draw_streams(pool: Pool, rng: np.random.Generator, streams: int, days: int, per_month: int) -> Array:
    """Draw the rows of streams, `[streams, days, rows a day]`.

    Rows without days are drawn independently. A stream of rows with days runs through real days in their
    order from a random one on, the last followed by the first, and has some rows of each. Where it needs
    more rows than a day has, it is several such streams at once, which begin on days of their own.
    """
    per_day = round(per_month / DAYS_PER_MONTH)
    if not len(pool.day_starts):
        return rng.integers(len(pool.truth), size=(streams, days, per_day))
    parts = int(np.ceil(per_day / np.median(np.diff(pool.day_starts))))
    return np.concatenate(
        [_draw_part(pool, rng, (streams, days), round(per_day / parts)) for _ in range(parts)], axis=-1
    )


def _draw_part(pool: Pool, rng: np.random.Generator, shape: tuple[int, int], per_day: int) -> Array:
    """Draw rows of each day without replacement, and again where a day has too few."""
    counts = np.diff(pool.day_starts)
    day = (rng.integers(len(counts), size=(shape[0], 1)) + np.arange(shape[1])) % len(counts)
    number = counts[day][..., None]
    keys = rng.random((*shape, counts.max()), dtype=np.float32)
    keys[np.arange(counts.max()) >= number] = NOT_DRAWN
    places = np.take_along_axis(keys.argsort(axis=-1), np.arange(per_day) % number, axis=-1)
    return np.asarray(pool.day_starts[day][..., None] + places)
