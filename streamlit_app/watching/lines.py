"""Values over time, as the page Live draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts, session
from streamlit_app.client import prometheus
from streamlit_app.client.prometheus import Line
from streamlit_app.text import t

POINTS = 120
"""Values that a line has at most."""
LEAST_STEP_SECONDS = 15
DAY_SECONDS = 86400
PLOT_PIXELS, NAME_PIXELS = 300, 31
"""Of the drawing, and of each name below it."""
POINT_PIXELS = 30
"""Square ones of a value: one that stands alone has no line and is seen too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What is looked at.

    Attributes:
        end: The latest time, in seconds since 1970.
        seconds: How far back.
        window: Label of the records that are about a window of about that length.
    """

    end: float
    seconds: int
    window: str

    @property
    def start(self) -> float:
        return self.end - self.seconds

    @property
    def step(self) -> float:
        """Seconds between two values."""
        return max(LEAST_STEP_SECONDS, self.seconds / POINTS)


def asked(query: str, span: Range) -> list[Line]:
    """An expression over the range."""
    return session.measured(prometheus.over, query, start=span.start, end=span.end, step=span.step)


def draw(
    lines: Sequence[tuple[str, Line]], title: str, unit: str, span: Range, *, key: str,
    dashed: Sequence[str] = (), zero: bool = True,
) -> None:  # fmt: skip
    """Draw lines with their names; those in `dashed` are limits. An axis without `zero` fits the values."""
    found = [(name, line) for name, line in lines if line.times]
    if not found:
        st.markdown(f"**{title}**")
        st.caption(t("Nothing was measured in this time."))
        return
    table = pd.concat(_table(name, line) for name, line in found)
    names = sorted({name for name, _ in found})
    highest = max(max(line.values) for _, line in found)
    # Vega draws no axis over nothing but zeros
    scale = alt.Scale(zero=True, domain=[0, 1]) if zero and not highest else alt.Scale(zero=zero)
    times = alt.Scale(type="utc", domain=[datetime.fromtimestamp(at, UTC) for at in (span.start, span.end)])
    # by itself, Vega writes a full hour as «05 AM»
    clock = "%H:%M" if span.seconds <= DAY_SECONDS else "%Y-%m-%d"
    drawn = (
        alt.Chart(table)
        .mark_line(point=alt.OverlayMarkDef(size=POINT_PIXELS))
        .encode(
            x=alt.X("time:T", title=t("Time (UTC)"), axis=alt.Axis(tickCount=5, format=clock), scale=times),
            y=alt.Y("value:Q", title=unit, scale=scale),
            color=alt.Color(
                "series:N", title=None, legend=alt.Legend(orient="bottom", columns=1, labelLimit=380),
                scale=alt.Scale(domain=names, range=colours(len(names))),
            ),
            strokeDash=alt.StrokeDash(
                "series:N", legend=None,
                scale=alt.Scale(
                    domain=names, range=[[6, 4] if name in dashed else [1, 0] for name in names]
                ),
            ),
            tooltip=[
                alt.Tooltip("time:T", title=t("Time (UTC)"), format="%Y-%m-%d %H:%M:%S"),
                alt.Tooltip("series:N", title=t("Series")),
                alt.Tooltip("value:Q", title=unit, format=".4~g"),
            ],
        )
        .properties(height=PLOT_PIXELS + NAME_PIXELS * len(names))
    )  # fmt: skip
    last = ", ".join(f"{name} {line.values[-1]:.3g}" for name, line in found)  # noqa: PD011  no frame
    described = t("Last: {values}.", values=last)
    renamed = table.set_axis([t("Time (UTC)"), t("Series"), unit], axis=1)
    charts.show(drawn, title, described, renamed, key=key)


def _table(name: str, line: Line) -> pd.DataFrame:
    times = pd.to_datetime(line.times, unit="s", utc=True)
    return pd.DataFrame({"time": times, "series": name, "value": line.values})  # noqa: PD011  no frame


def colours(count: int) -> list[str]:
    """So many of the palette, again from its beginning when it is used up."""
    return [charts.PALETTE[i % len(charts.PALETTE)] for i in range(count)]
