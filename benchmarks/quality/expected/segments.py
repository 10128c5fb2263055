"""Segments of production rows: windows whose rows differ from those of the reference."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

MIN_ROWS = 200
"""Minimum number of rows of a segment: with fewer, the realised error itself is off by many percent."""
MISSING = "missing"


def _cut(name: str, *edges: float) -> Callable[[pl.DataFrame], pl.Series]:
    """Ranges of a number; an edge belongs to the range below it."""
    labels = [f"≤ {edges[0]:g}", *(f"{low:g}–{high:g}" for low, high in pairwise(edges)), f"> {edges[-1]:g}"]

    def assign(frame: pl.DataFrame) -> pl.Series:
        values = frame[name].cast(pl.Float64)
        places = np.searchsorted(edges, values.to_numpy(), side="left")
        return pl.Series([labels[place] for place in places]).set(values.is_null(), None)

    return assign


def _take(name: str) -> Callable[[pl.DataFrame], pl.Series]:
    return lambda frame: frame[name].cast(pl.String)


BURNOUT = {
    "designation": _take("designation"),
    "resources": _take("resource_allocation"),
    "fatigue": _cut("mental_fatigue_score", 2, 4, 6, 8),
    "home office": _take("wfh_setup_available"),
    "company": _take("company_type"),
}
SEGMENTS: Mapping[str, Mapping[str, Callable[[pl.DataFrame], pl.Series]]] = {
    "vehicle_price": {
        "brand": _take("brand"),
        "year": _cut("year", 2005, 2008, 2010, 2012, 2014, 2016, 2018),
        "fuel": _take("fuel"),
        "transmission": _take("transmission"),
        "seller": _take("seller_type"),
        "owner": _take("owner"),
        "engine": _cut("engine", 1000, 1300, 1600, 2100),
    },
    "employee_burn_rate": BURNOUT,
    "employee_burnout": BURNOUT,
    "rain_australia": {
        "month": lambda frame: frame["date"].dt.strftime("%Y-%m"),
        "station": _take("location"),
    },
}
"""Dimensions of each use case, each a function from published rows to the segment of each row."""


def find_segments(name: str, frame: pl.DataFrame) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
    """Yield the segments of a use case's rows, each with its rows."""
    for dimension, assign in SEGMENTS[name].items():
        values = assign(frame).fill_null(MISSING)
        for value in sorted(values.unique().to_list()):
            yield f"{dimension} {value}", np.flatnonzero((values == value).to_numpy())
