"""The reference profile: fixed bins and smoothed shares of each field and of the prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.drift import SMOOTHING
from servicio_ml.domain.schema import FeatureSchema, Kind

Numbers = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """The bins of one column.

    Attributes:
        name: Of the column.
        edges: Ascending inner edges: bin i holds `edges[i-1] <= value < edges[i]`. Of a category, the codes
            1, 2, …, so that each level has a bin of its own.
        labels: Text of each bin, the last of them `missing`.
        shares: Smoothed reference share of each bin; they add up to 1.
    """

    name: str
    edges: tuple[float, ...]
    labels: tuple[str, ...]
    shares: tuple[float, ...]

    def count(self, values: Numbers) -> npt.NDArray[np.int64]:
        """How many of the values `[n]` fall into each bin, `[len(labels)]`; NaN counts as missing."""
        places = np.searchsorted(np.asarray(self.edges), values, side="right")
        places[np.isnan(values)] = len(self.labels) - 1
        return np.bincount(places, minlength=len(self.labels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The reference of a model version.

    Attributes:
        rows: How many training rows it was made of.
        features: Bins of each field, in the order of the matrix.
        prediction: Bins of the positive class's probability, of a number, or one per class.
    """

    rows: int
    features: tuple[Bins, ...]
    prediction: Bins

    def count(self, matrix: Numbers) -> list[npt.NDArray[np.int64]]:
        """Bin counts of each field of a matrix `[n, features]`."""
        return [bins.count(matrix[:, i]) for i, bins in enumerate(self.features)]

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "features": [_bins_to_json(bins) for bins in self.features],
            "prediction": _bins_to_json(self.prediction),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Profile":
        return cls(
            rows=document["rows"],
            features=tuple(_bins_from_json(each) for each in document["features"]),
            prediction=_bins_from_json(document["prediction"]),
        )


def profile(schema: FeatureSchema, matrix: Numbers, bins: int, prediction: Bins) -> Profile:
    """The profile of training rows.

    Args:
        schema: Of the matrix.
        matrix: `[n, features]`; only the fields' columns are profiled, not the derived ones.
        bins: Quantile bins of a number.
        prediction: Made by `numeric_bins` or `level_bins` of the predictions for the same rows.
    """
    features = [
        level_bins(each.name, each.levels, matrix[:, i])
        if each.kind is Kind.CATEGORY
        else numeric_bins(each.name, matrix[:, i], bins)
        for i, each in enumerate(schema.fields)
    ]
    return Profile(rows=len(matrix), features=tuple(features), prediction=prediction)


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
    return _shared(Bins(name=name, edges=edges, labels=labels, shares=()), values)


def level_bins(name: str, levels: Sequence[str], codes: Numbers) -> Bins:
    """One bin per level of codes `[n]`."""
    edges = tuple(float(code) for code in range(1, len(levels)))
    return _shared(Bins(name=name, edges=edges, labels=(*levels, "missing"), shares=()), codes)


def _shared(bins: Bins, values: Numbers) -> Bins:
    counts = bins.count(values) + SMOOTHING
    shares = tuple(float(share) for share in counts / counts.sum())
    return Bins(name=bins.name, edges=bins.edges, labels=bins.labels, shares=shares)


def _bins_to_json(bins: Bins) -> dict[str, Any]:
    return {name: getattr(bins, name) for name in Bins.__slots__}


def _bins_from_json(document: Mapping[str, Any]) -> Bins:
    parts = {part: tuple(document[part]) for part in ("edges", "labels", "shares")}
    return Bins(name=document["name"], **parts)
