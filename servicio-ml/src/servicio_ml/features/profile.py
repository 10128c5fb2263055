"""The reference profile: fixed bins, and what the training rows were like, by season where seasons matter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.drift import SMOOTHING
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.domain.schema import FeatureSchema, Field, Kind

Numbers = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.int64]
ALL = "all"
"""The season of all rows; it answers for a month that has no reference of its own."""
MANY_ROWS = 4096
"""From which on comparing all values with each edge is quicker than searching the edges for each value."""
MONTHS = tuple(f"{month:02d}" for month in range(1, 13))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """The bins of one column.

    Attributes:
        name: Of the column.
        edges: Ascending inner edges: bin i holds `edges[i-1] <= value < edges[i]`. Of a category, the codes
            1, 2, …, so that each level has a bin of its own.
        labels: Text of each bin, the last of them `missing`.
    """

    name: str
    edges: tuple[float, ...]
    labels: tuple[str, ...]

    def count(self, values: Numbers) -> Integers:
        """How many of the values `[n]` fall into each bin, `[len(labels)]`; NaN counts as missing."""
        if len(values) >= MANY_ROWS:
            return self._compared(values)
        places = np.searchsorted(np.asarray(self.edges), values, side="right")
        places[np.isnan(values)] = len(self.labels) - 1
        return np.bincount(places, minlength=len(self.labels))

    def _compared(self, values: Numbers) -> Integers:
        """As `count`; edges are values of the training rows, so that they are exact in the rows' own type."""
        column = np.ascontiguousarray(values)
        missing = np.count_nonzero(np.isnan(column))
        reached = (np.count_nonzero(column >= edge) for edge in self.edges)
        at_least = np.array([len(column) - missing, *reached, 0], dtype=np.int64)
        return np.append(at_least[:-1] - at_least[1:], missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """What the rows of a season were like.

    Attributes:
        rows: The fewest that any of its shares was made of.
        shares: Of each column's bins, smoothed; each adds up to 1. The columns are the fields, then the
            prediction for rows that the model had not seen.
        performance: `accuracy` and `f1_macro`, or `mae`, on rows that the model had not seen.
    """

    rows: int
    shares: tuple[tuple[float, ...], ...]
    performance: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The reference of a model version.

    Attributes:
        features: Bins of each field, in the order of the matrix.
        prediction: Bins of the positive class's probability, of a number, or one per class.
        seasons: `ALL` first, then the months (`01` to `12`) that have a reference of their own.
        policy: How drift is judged.
    """

    features: tuple[Bins, ...]
    prediction: Bins
    seasons: Mapping[str, Season]
    policy: DriftPolicy

    @property
    def every(self) -> tuple[Bins, ...]:
        """Bins of the features, then of the prediction."""
        return (*self.features, self.prediction)

    def count(self, matrix: Numbers) -> list[Integers]:
        """Bin counts of each field of a matrix `[n, features]`."""
        return [bins.count(matrix[:, i]) for i, bins in enumerate(self.features)]

    def count_seasons(self, matrix: Numbers) -> Integers:
        """How many rows of a matrix `[n, features]` fall into each of `seasons`."""
        if len(self.seasons) == 1:
            return np.array([len(matrix)])
        column = next(i for i, bins in enumerate(self.features) if bins.name == self.policy.season)
        places = {season: i for i, season in enumerate(self.seasons)}
        of_month = np.array([places.get(month, 0) for month in (ALL, *MONTHS)])
        return np.bincount(of_month[months(matrix[:, column])], minlength=len(self.seasons))

    def to_json(self) -> dict[str, Any]:
        return {
            "features": [asdict(bins) for bins in self.features],
            "prediction": asdict(self.prediction),
            "seasons": {name: asdict(season) for name, season in self.seasons.items()},
            "policy": asdict(self.policy),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Profile":
        return cls(
            features=tuple(_bins_from_json(each) for each in document["features"]),
            prediction=_bins_from_json(document["prediction"]),
            seasons={name: _season_from_json(each) for name, each in document["seasons"].items()},
            policy=DriftPolicy(**document["policy"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Rows that the model had not seen, with its answers.

    Attributes:
        rows: `[m]`: their places among the training rows.
        shown: `[m]`: what the prediction's bins count.
        classes: Whose codes those are; empty where they are numbers.
        performance: Metrics of those of them that a mask `[m]` picks.
    """

    rows: Integers
    shown: Numbers
    classes: tuple[str, ...]
    performance: Callable[[npt.NDArray[np.bool_]], Mapping[str, float]]


def profile(schema: FeatureSchema, matrix: Numbers, policy: DriftPolicy, unseen: Unseen) -> Profile:
    """The profile of training rows.

    Args:
        schema: Of the matrix.
        matrix: `[n, features]`; only the fields' columns are profiled, not the derived ones.
        policy: How it is binned and judged.
        unseen: Of the model that is profiled.
    """
    features = tuple(_bins_of(each, matrix[:, i], policy) for i, each in enumerate(schema.fields))
    prediction = (
        level_bins("prediction", unseen.classes)
        if unseen.classes
        else numeric_bins("prediction", unseen.shown, policy.bins)
    )

    def season(mine: npt.NDArray[np.bool_]) -> Season:
        rows, answered = matrix[mine], mine[unseen.rows]
        counts = [bins.count(rows[:, i]) for i, bins in enumerate(features)]
        shares = map(smoothed, [*counts, prediction.count(unseen.shown[answered])])
        return Season(
            rows=min(len(rows), int(answered.sum())),
            shares=tuple(tuple(each.tolist()) for each in shares),
            performance=unseen.performance(answered),
        )

    seasons = {ALL: season(np.ones(len(matrix), dtype=bool))}
    if policy.season in schema.field_names:
        month = months(matrix[:, schema.field_names.index(policy.season)])
        for number, name in enumerate(MONTHS, start=1):
            mine = month == number
            if min(mine.sum(), mine[unseen.rows].sum()) >= policy.season_rows:
                seasons[name] = season(mine)
    return Profile(features=features, prediction=prediction, seasons=seasons, policy=policy)


def months(days: Numbers) -> Integers:
    """Calendar months, 1 to 12, of days since 1970 `[n]`; 0 of a missing one."""
    known = ~np.isnan(days)
    found = np.zeros(len(days), dtype=np.int64)
    dates = days[known].astype(np.int64).astype("datetime64[D]")
    found[known] = dates.astype("datetime64[M]").astype(np.int64) % len(MONTHS) + 1
    return found


def smoothed(counts: Numbers | Integers) -> Numbers:
    """Shares of counts by bin, half a row added to each."""
    padded = counts + SMOOTHING
    shares: Numbers = padded / padded.sum()
    return shares


def _bins_of(each: Field, values: Numbers, policy: DriftPolicy) -> Bins:
    if each.kind is Kind.CATEGORY:
        return level_bins(each.name, each.levels)
    # every date after the training rows is new: only a gap tells something
    return numeric_bins(each.name, values, 1 if each.kind is Kind.DATE else policy.bins)


def numeric_bins(name: str, values: Numbers, bins: int) -> Bins:
    """Quantile bins of numbers `[n]`: fewer than asked for where values repeat."""
    known = values[~np.isnan(values)]
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    quantiles = np.unique(np.quantile(known, inner, method="higher")) if len(known) else np.array([])
    # an edge at the least value would leave an empty bin below it
    edges = tuple(float(edge) for edge in quantiles if edge > known.min())
    shown = [f"{edge:.6g}" for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(shown)]
    labels = (f"< {shown[0]}", *between, f">= {shown[-1]}", "missing") if shown else ("any", "missing")
    return Bins(name=name, edges=edges, labels=labels)


def level_bins(name: str, levels: Sequence[str]) -> Bins:
    """One bin per level."""
    edges = tuple(float(code) for code in range(1, len(levels)))
    return Bins(name=name, edges=edges, labels=(*levels, "missing"))


def _bins_from_json(document: Mapping[str, Any]) -> Bins:
    return Bins(name=document["name"], edges=tuple(document["edges"]), labels=tuple(document["labels"]))


def _season_from_json(document: Mapping[str, Any]) -> Season:
    shares = tuple(tuple(each) for each in document["shares"])
    return Season(rows=document["rows"], shares=shares, performance=document["performance"])
