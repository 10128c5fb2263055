"""Bounds of a binary model's probability, from a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbabilityBounds:
    """Inductive Venn-Abers predictor of a probability that is rounded to the bins of a table.

    One of both bounds is a calibrated probability of the row, whatever the level of an interval; they differ
    by what the calibration rows leave open. Source: Vovk and Petej, "Venn-Abers predictors" (2014).

    Attributes:
        edges: Probabilities that part the bins, ascending, `[bins - 1]`.
        lower: Lower bound of each bin.
        upper: Upper bound of each bin.
    """

    edges: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def compute(self, probabilities: Floats) -> tuple[Floats, Floats]:
        """Compute the bounds `[n]` of answered probabilities `[n]`, which they include."""
        bins = np.searchsorted(self.edges, probabilities, side="right")
        # the answer is interpolated between bins, so it may lie a little beyond the bounds of its own
        lower = np.minimum(np.asarray(self.lower)[bins], probabilities)
        return lower, np.maximum(np.asarray(self.upper)[bins], probabilities)

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ProbabilityBounds.__slots__}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ProbabilityBounds":
        return cls(**{name: tuple(values) for name, values in document.items()})
