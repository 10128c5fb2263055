"""Outline of the land behind the points of a map, drawn without a network.

`land.json` has the coasts of Natural Earth 4.1 (naturalearthdata.com, public domain), scale 1:110 million, as
lines of longitude and latitude rounded to tenths of degrees; a line ends where it crosses the 180th meridian.
"""

import json
from functools import cache
from pathlib import Path

import pandas as pd

FILE = Path(__file__).with_name("land.json")


@cache
def load_outline() -> pd.DataFrame:
    """Load the outline `[points]`: `longitude` and `latitude` in degrees, `line`, and `place` within it."""
    lines: list[list[tuple[float, float]]] = json.loads(FILE.read_text())
    return pd.DataFrame(
        [(x, y, line, place) for line, points in enumerate(lines) for place, (x, y) in enumerate(points)],
        columns=["longitude", "latitude", "line", "place"],
    )


def select_outline(longitudes: tuple[float, float], latitudes: tuple[float, float]) -> pd.DataFrame:
    """Select the lines that may be seen in a window, each as a whole.

    Args:
        longitudes: West and east edge in degrees.
        latitudes: South and north edge in degrees.
    """
    outline = load_outline()
    lines = outline.groupby("line")
    west, east = lines["longitude"].min(), lines["longitude"].max()
    south, north = lines["latitude"].min(), lines["latitude"].max()
    across = (west <= longitudes[1]) & (east >= longitudes[0])
    along = (south <= latitudes[1]) & (north >= latitudes[0])
    return outline[outline["line"].isin(west.index[across & along])]
