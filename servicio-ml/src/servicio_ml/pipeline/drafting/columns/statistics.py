"""Statistics of series whose type Polars does not know."""

from typing import Any

import polars as pl


def compute_share(mask: pl.Series) -> float:
    """Compute the share of the true values (0-1), without the missing ones; 0 where there is none."""
    share: Any = mask.mean()
    return float(share or 0)


def find_bounds(values: pl.Series) -> tuple[Any, Any]:
    """Find the minimum and the maximum: floats of numbers, dates of dates."""
    return values.min(), values.max()
