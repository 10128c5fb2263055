"""Quantiles of conformity scores: how far the truth was from the answers to unseen rows."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.errors import RequestError
from servicio_ml.features.uncertainty.levels import INTERVAL, LEVELS, compute_needed_rows

Floats = npt.NDArray[np.floating[Any]]
ROUNDING = 1e-9
"""Levels that differ by less are equal: 0.9 is no binary number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformityTable:
    """Quantile of the conformity scores of each group at each of `LEVELS`.

    Attributes:
        rows: Number of calibration rows; of unequal weights, their effective number.
        quantiles: `[groups][levels]`; infinite where there are too few rows for a level.
    """

    rows: float
    quantiles: tuple[tuple[float, ...], ...]

    def get_quantiles(self, level: float) -> Floats:
        """Get the quantile of each group at a level, `[groups]`.

        Raises:
            RequestError: There are too few calibration rows for the level.
        """
        place = bisect_left(LEVELS, level - ROUNDING)
        found = np.array([each[place] for each in self.quantiles])
        if not np.isfinite(found).all():
            needed, rows = compute_needed_rows(LEVELS[place]), math.floor(self.rows)
            problem = f"{INTERVAL} {level:g} needs {needed} calibration rows, and the model has {rows}"
            raise RequestError(problem, f"ask for at most {self.max_level:g}, or train on more rows")
        return found

    @property
    def max_level(self) -> float:
        """Greatest level that there are enough rows for; 0 without any."""
        finite = np.isfinite(np.array(self.quantiles)).all(axis=0)
        return max((level for level, is_there in zip(LEVELS, finite, strict=True) if is_there), default=0.0)

    def to_json(self) -> dict[str, Any]:
        # JSON has no infinity
        quantiles = [[each if math.isfinite(each) else None for each in row] for row in self.quantiles]
        return {"rows": self.rows, "quantiles": quantiles}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ConformityTable":
        quantiles = tuple(
            tuple(math.inf if each is None else each for each in row) for row in document["quantiles"]
        )
        return cls(rows=document["rows"], quantiles=quantiles)


def compute_effective_rows(weights: Floats) -> float:
    """Compute the number of rows of equal weight whose mean varies as much: (Σw)² / Σw² (Kish 1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def compute_quantiles(scores: Floats, weights: Floats, levels: Sequence[float] = LEVELS) -> tuple[float, ...]:
    """Compute the quantiles that a new score is at most with the probability of each level.

    Of n equal weights, the score of rank ⌈(n + 1) level⌉, infinite above n: Papadopoulos, Proedrou, Vovk and
    Gammerman, "Inductive confidence machines for regression" (2002).

    Args:
        scores: Conformity scores `[n]` of rows that the model has not seen.
        weights: Weights of the rows, `[n]`.
        levels: Shares, 0 to 1.
    """
    rows = compute_effective_rows(weights)
    order = np.argsort(scores, kind="stable")
    ranked = np.append(scores[order], np.inf)
    ranks = np.cumsum(weights[order]) / max(float(weights.sum()), ROUNDING) * rows
    places = np.searchsorted(ranks, (rows + 1) * np.asarray(levels) - ROUNDING * max(rows, 1.0))
    return tuple(ranked[places].tolist())
