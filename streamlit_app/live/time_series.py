"""Line charts of Prometheus series over a time range."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts, session
from streamlit_app.client import prometheus
from streamlit_app.client.prometheus import TimeSeries
from streamlit_app.translation import t

MAX_POINTS = 120
"""Maximum number of values of a line."""
MIN_STEP_SECONDS = 15
DAY_SECONDS = 86400
PLOT_PIXELS, NAME_PIXELS = 300, 31
"""Heights of the plot and of each name in the legend below."""
POINT_PIXELS = 30
"""Area of the mark of a value, which makes a single value visible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """Time range of the charts.

    Attributes:
        end: End in seconds since 1970.
        seconds: Length in seconds.
        window: Label `window` of the performance metrics with a similar length.
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
        return max(MIN_STEP_SECONDS, self.seconds / MAX_POINTS)


def query_series(query: str, time_range: TimeRange) -> list[TimeSeries]:
    """Query an expression over a time range."""
    return session.query_prometheus(
        prometheus.query_range, query, start=time_range.start, end=time_range.end, step=time_range.step
    )


def draw(
    lines: Sequence[tuple[str, TimeSeries]], title: str, unit: str, time_range: TimeRange, *, key: str,
    dashed: Sequence[str] = (), zero: bool = True,
) -> None:  # fmt: skip
    """Draw lines with their names.

    Args:
        lines: Name and values of each line.
        title: Title of the chart.
        unit: Title of the vertical axis.
        time_range: Range of the horizontal axis.
        key: Key of the chart on the page.
        dashed: Names of the lines that are dashed.
        zero: Whether the vertical axis includes 0.
    """
    lines = [(name, series) for name, series in lines if series.times]
    if not lines:
        st.markdown(f"**{title}**")
        st.caption(t("There are no measurements in this range."))
        return
    table = pd.concat(_build_table(name, series) for name, series in lines)
    latest = ", ".join(f"{name} {series.values[-1]:.3g}" for name, series in lines)  # noqa: PD011  no frame
    charts.show(
        _build_chart(table, unit, time_range, dashed, zero=zero), title,
        t("Latest values: {values}.", values=latest),
        table.set_axis([t("Time (UTC)"), t("Series"), unit], axis=1), key=key,
    )  # fmt: skip


def _build_chart(
    table: pd.DataFrame, unit: str, time_range: TimeRange, dashed: Sequence[str], *, zero: bool
) -> alt.Chart:
    names = sorted(set(table["series"]))
    # Vega draws no axis for values that are all zero
    is_zero = zero and not table["value"].max()
    scale = alt.Scale(zero=True, domain=[0, 1]) if is_zero else alt.Scale(zero=zero)
    ends = [datetime.fromtimestamp(at, UTC) for at in (time_range.start, time_range.end)]
    # without a format, Vega writes a full hour as «05 AM»
    clock = "%H:%M" if time_range.seconds <= DAY_SECONDS else "%Y-%m-%d"
    dashes = [[6, 4] if name in dashed else [1, 0] for name in names]
    chart: alt.Chart = (
        alt.Chart(table)
        .mark_line(point=alt.OverlayMarkDef(size=POINT_PIXELS))
        .encode(
            x=alt.X(
                "time:T", title=t("Time (UTC)"), axis=alt.Axis(tickCount=5, format=clock),
                scale=alt.Scale(type="utc", domain=ends),
            ),
            y=alt.Y("value:Q", title=unit, scale=scale),
            color=alt.Color(
                "series:N", title=None, legend=alt.Legend(orient="bottom", columns=1, labelLimit=380),
                scale=alt.Scale(domain=names, range=select_colours(len(names))),
            ),
            strokeDash=alt.StrokeDash(
                "series:N", legend=None, scale=alt.Scale(domain=names, range=dashes)
            ),
            tooltip=[
                alt.Tooltip("time:T", title=t("Time (UTC)"), format="%Y-%m-%d %H:%M:%S"),
                alt.Tooltip("series:N", title=t("Series")),
                alt.Tooltip("value:Q", title=unit, format=".4~g"),
            ],
        )
        .properties(height=PLOT_PIXELS + NAME_PIXELS * len(names))
    )  # fmt: skip
    return chart


def _build_table(name: str, series: TimeSeries) -> pd.DataFrame:
    times = pd.to_datetime(series.times, unit="s", utc=True)
    return pd.DataFrame({"time": times, "series": name, "value": series.values})  # noqa: PD011  no frame


def select_colours(count: int) -> list[str]:
    """Pick colours of the palette, which repeats where it is too short."""
    return [charts.PALETTE[i % len(charts.PALETTE)] for i in range(count)]
