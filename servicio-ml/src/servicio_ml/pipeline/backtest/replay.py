"""A stream day by day through a server's counters, which become series with a past."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import numpy as np
import polars as pl

from servicio_ml.domain.ports.metrics_history import NAME_LABEL, MetricSeries, TimeSpan
from servicio_ml.domain.ports.progress import Advance
from servicio_ml.errors import FieldError
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.pipeline.backtest.stream import LabelledStream, build_requests

DAY_SECONDS = 86_400
# rows are sent at noon: rules evaluated at midnight see complete days only
NOON_SECONDS = 43_200
DAY = timedelta(days=1)
EDGE_SECONDS = 1
"""Before midnight, when a day's samples are taken: all of them are there when the day is evaluated."""
TARGET = {"job": "servicio-ml", "instance": "replay"}
"""Labels by which Prometheus identifies the scraped target."""
UP = "up"
"""Series that Prometheus itself adds for each scrape."""
Labels = tuple[tuple[str, str], ...]
Truths = np.ndarray[tuple[int], np.dtype[np.float64]]


class ReplayServer(Protocol):
    """What answers, at a time that the caller sets."""

    now: float

    def predict(self, matrix: Matrix) -> tuple[Sequence[str], Predictions]:
        """Answer rows `[n, features]`; gives their prediction ids too."""
        ...

    def refuse(self, faults: Sequence[FieldError]) -> None:
        """Refuse a request for its faults."""
        ...

    def add_ground_truth(self, ids: Sequence[str], truths: Sequence[str | float]) -> None:
        """Take in the truth about answered rows: labels, or numbers."""
        ...

    def scrape(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Name, labels and value of every exported sample."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPredictions:
    """The rows of one day.

    Attributes:
        day: Their date.
        refused: Number of rows that the server refused.
        predictions: Predictions for the accepted rows, in their order; None where there are none.
        truths: `[n]` for the accepted rows: class codes, or numbers; NaN where the truth never came.
    """

    day: date
    refused: int
    predictions: Predictions | None
    truths: Truths


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedStream:
    """Series that a server exported, and its predictions.

    Attributes:
        series: One sample a day of each.
        span: Midnight at the end of each day.
        days: In order; those without a row too.
    """

    series: Sequence[MetricSeries]
    span: TimeSpan
    days: Sequence[DayPredictions]

    @property
    def metric_names(self) -> frozenset[str]:
        """Names of the metrics that the server exported."""
        return frozenset(each.labels[NAME_LABEL] for each in self.series) - {UP}


def replay_stream(stream: LabelledStream, server: ReplayServer, advance: Advance) -> ReplayedStream:
    """Send each row on its own date, and the truth about it the day after.

    Args:
        stream: Labelled rows, at least one.
        server: A new server whose counters are at zero.
        advance: Called after each day.
    """
    first, last = stream.ends
    # partitioned once; a filter per day would read the whole stream for every day
    rows_of = {key[0]: rows for key, rows in stream.rows.group_by(stream.dates, maintain_order=True)}
    # a day without rows is replayed too, since `absent` and rates depend on it
    empty = stream.rows.clear()
    exported: dict[tuple[str, Labels], list[float]] = {}
    days: list[DayPredictions] = []
    late: tuple[Sequence[str], Truths] = ((), np.empty(0))
    end = last + DAY  # it brings labels
    count = (end - first).days + 1
    for i in range(count):
        day = first + i * DAY
        server.now = get_midnight(day) + NOON_SECONDS
        # before the day's predictions: labels of the previous day arrive first
        _send_truths(server, stream, *late)
        answers, ids = _predict_day(server, stream, rows_of.get(day, empty), day)
        late = ids, answers.truths
        days.append(answers)
        for name, labels, value in server.scrape():
            # series may appear on a later day, when their first event is counted
            exported.setdefault((name, tuple(labels.items())), []).append(value)
        advance()
    return ReplayedStream(
        series=_build_series(
            exported, [get_midnight(first + i * DAY) - EDGE_SECONDS for i in range(count + 1)]
        ),
        span=TimeSpan(
            start=get_midnight(first + DAY), end=get_midnight(first + count * DAY), step=DAY_SECONDS
        ),
        days=days[:-1],
    )


def _build_series(
    exported: Mapping[tuple[str, Labels], Sequence[float]], ends: Sequence[float]
) -> list[MetricSeries]:
    """One sample at each of the last ends of a day; the first of all is that of the day before."""
    # it was up on that day too: what is counted first has grown from nothing
    up = MetricSeries(labels={NAME_LABEL: UP, **TARGET}, times=ends, values=[1.0] * len(ends))
    others = (
        MetricSeries(
            labels={NAME_LABEL: name, **dict(labels), **TARGET}, times=ends[-len(values) :], values=values
        )
        for (name, labels), values in exported.items()
    )
    return [up, *others]


def get_midnight(day: date) -> float:
    """The beginning of a day in UTC, in seconds since 1970."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _send_truths(server: ReplayServer, stream: LabelledStream, ids: Sequence[str], truths: Truths) -> None:
    known = np.nonzero(~np.isnan(truths))[0].tolist()
    labels = stream.use_case.target.labels
    truth = [labels[int(truths[i])] if labels else float(truths[i]) for i in known]
    if truth:
        server.add_ground_truth([ids[i] for i in known], truth)


def _predict_day(
    server: ReplayServer, stream: LabelledStream, rows: pl.DataFrame, day: date
) -> tuple[DayPredictions, Sequence[str]]:
    asked = build_requests(stream, rows)
    for faults in asked.refused:
        server.refuse(faults)
    ids, predictions = server.predict(asked.matrix) if len(asked.matrix) else ((), None)
    answers = DayPredictions(
        day=day, refused=len(asked.refused), predictions=predictions, truths=asked.truths
    )
    return answers, ids
