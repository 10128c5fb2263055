"""Reference profile of a model version: fixed bins and the shares of its training rows, by season."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.drift import SMOOTHING
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.bins import (
    ColumnBins,
    Integers,
    Numbers,
    build_field_bins,
    build_level_bins,
    build_quantile_bins,
)
from servicio_ml.features.performance.segments import SegmentProfile

ALL = "all"
"""Season of all rows; the reference of a month with too few rows."""
MONTHS = tuple(f"{month:02d}" for month in range(1, 13))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonProfile:
    """Reference of one season.

    Attributes:
        rows: Minimum number of rows behind any of the shares.
        shares: Smoothed shares of the bins of each column, each adding up to 1: the fields, then the
            prediction for rows that the model was not trained on.
        performance: `accuracy` and `f1_macro`, or `mae`, on rows that the model was not trained on; empty
            where these had no ground truth.
    """

    rows: int
    shares: tuple[tuple[float, ...], ...]
    performance: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceProfile:
    """Reference of a model version.

    Attributes:
        features: Bins of each field, in the order of the matrix.
        prediction: Bins of the positive class's probability, of a number, or one per class.
        seasons: References by season: `ALL` first, then the months (`01` to `12`) with enough rows.
        policy: Thresholds of drift.
        importance: Mean absolute change of the score with another row's value of a field, by field; in
            probability, or in the target's unit. Empty in models of earlier releases.
        segments: Segments of the use case; empty in models of earlier releases.
    """

    features: tuple[ColumnBins, ...]
    prediction: ColumnBins
    seasons: Mapping[str, SeasonProfile]
    policy: DriftPolicy
    importance: tuple[float, ...] = ()
    segments: tuple[SegmentProfile, ...] = ()

    @property
    def all_bins(self) -> tuple[ColumnBins, ...]:
        """Bins of the features, then of the prediction."""
        return (*self.features, self.prediction)

    def count(self, matrix: Numbers) -> list[Integers]:
        """Bin counts of each field of a matrix `[n, features]`."""
        return [bins.count(matrix[:, i]) for i, bins in enumerate(self.features)]

    def count_seasons(self, matrix: Numbers) -> Integers:
        """Count the rows of a matrix `[n, features]` in each of `seasons`."""
        # without seasonal references no date needs to be decoded
        if len(self.seasons) == 1:
            return np.array([len(matrix)])
        column = next(i for i, bins in enumerate(self.features) if bins.name == self.policy.season)
        places = {season: i for i, season in enumerate(self.seasons)}
        # position 0, a missing date or a month without a reference, falls back to all rows
        of_month = np.array([places.get(month, 0) for month in (ALL, *MONTHS)])
        return np.bincount(of_month[compute_months(matrix[:, column])], minlength=len(self.seasons))

    def to_json(self) -> dict[str, Any]:
        return {
            "features": [asdict(bins) for bins in self.features],
            "prediction": asdict(self.prediction),
            "seasons": {name: asdict(season) for name, season in self.seasons.items()},
            "policy": asdict(self.policy),
            "importance": list(self.importance),
            "segments": [each.to_json() for each in self.segments],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ReferenceProfile":
        return cls(
            features=tuple(_build_bins_from_json(each) for each in document["features"]),
            prediction=_build_bins_from_json(document["prediction"]),
            seasons={name: _build_season_from_json(each) for name, each in document["seasons"].items()},
            policy=DriftPolicy(**document["policy"]),
            importance=tuple(document.get("importance", ())),
            segments=tuple(SegmentProfile.from_json(each) for each in document.get("segments", ())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenRows:
    """Rows that the model was not trained on, with its predictions.

    Attributes:
        rows: Indices among the training rows, `[m]`.
        binned_values: Values that the prediction's bins count, `[m]`.
        classes: Classes of a multiclass model, whose codes are the values; empty for numbers.
        performance: Function from a mask `[m]` to the metrics of the selected rows.
    """

    rows: Integers
    binned_values: Numbers
    classes: tuple[str, ...]
    performance: Callable[[npt.NDArray[np.bool_]], Mapping[str, float]]


def build_profile(
    schema: FeatureSchema, matrix: Numbers, policy: DriftPolicy, unseen: UnseenRows
) -> ReferenceProfile:
    """Build the profile of training rows.

    Args:
        schema: Schema of the matrix.
        matrix: Matrix `[n, features]`; derived columns have no profile.
        policy: Number of bins and thresholds.
        unseen: Predictions of the model for rows that it was not trained on.
    """
    features = tuple(
        build_field_bins(each, matrix[:, i], policy.bins) for i, each in enumerate(schema.fields)
    )
    prediction = (
        build_level_bins("prediction", unseen.classes)
        if unseen.classes
        else build_quantile_bins("prediction", unseen.binned_values, policy.bins)
    )

    def build_season(mine: npt.NDArray[np.bool_]) -> SeasonProfile:
        rows, predicted = matrix[mine], mine[unseen.rows]
        counts = [bins.count(rows[:, i]) for i, bins in enumerate(features)]
        shares = map(smooth, [*counts, prediction.count(unseen.binned_values[predicted])])
        return SeasonProfile(
            rows=min(len(rows), int(predicted.sum())),
            shares=tuple(tuple(each.tolist()) for each in shares),
            performance=unseen.performance(predicted),
        )

    seasons = {ALL: build_season(np.ones(len(matrix), dtype=bool))}
    if policy.season in schema.field_names:
        month = compute_months(matrix[:, schema.field_names.index(policy.season)])
        for number, name in enumerate(MONTHS, start=1):
            mine = month == number
            # both are needed: the features' shares and the performance each have a sampling error
            if min(mine.sum(), mine[unseen.rows].sum()) >= policy.season_rows:
                seasons[name] = build_season(mine)
    return ReferenceProfile(features=features, prediction=prediction, seasons=seasons, policy=policy)


def compute_months(days: Numbers) -> Integers:
    """Compute the calendar months, 1 to 12, of days since 1970 `[n]`; 0 for a missing day."""
    known = ~np.isnan(days)
    found = np.zeros(len(days), dtype=np.int64)
    dates = days[known].astype(np.int64).astype("datetime64[D]")
    found[known] = dates.astype("datetime64[M]").astype(np.int64) % len(MONTHS) + 1
    return found


def smooth(counts: Numbers | Integers) -> Numbers:
    """Compute shares of counts by bin, with `SMOOTHING` rows added to each bin."""
    # the same smoothing as for the window, else equal counts would show drift
    padded = counts + SMOOTHING
    shares: Numbers = padded / padded.sum()
    return shares


def _build_bins_from_json(document: Mapping[str, Any]) -> ColumnBins:
    return ColumnBins(name=document["name"], edges=tuple(document["edges"]), labels=tuple(document["labels"]))


def _build_season_from_json(document: Mapping[str, Any]) -> SeasonProfile:
    shares = tuple(tuple(each) for each in document["shares"])
    return SeasonProfile(rows=document["rows"], shares=shares, performance=document["performance"])
