"""A stream day by day through a server's counters, which become series with a past."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import numpy as np
import polars as pl

from servicio_ml.domain.history import NAME, Series, Span
from servicio_ml.domain.ports import Advance
from servicio_ml.errors import Fault
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.pipeline.backtest_stream import Stream, requests

DAY_SECONDS = 86_400
NOON_SECONDS = 43_200
DAY = timedelta(days=1)
EDGE_SECONDS = 1
"""Before midnight, when a day's samples are taken: all of them are there when the day is evaluated."""
TARGET = {"job": "servicio-ml", "instance": "replay"}
"""Labels by which Prometheus tells who was scraped."""
UP = "up"
"""What Prometheus itself tells of each scrape."""
Labels = tuple[tuple[str, str], ...]
Truths = np.ndarray[tuple[int], np.dtype[np.float64]]


class Server(Protocol):
    """What answers, at a time that the caller sets."""

    now: float

    def answer(self, matrix: Matrix) -> tuple[Sequence[str], Predictions]:
        """Answer rows `[n, features]`; gives their prediction ids too."""
        ...

    def refuse(self, faults: Sequence[Fault]) -> None:
        """Refuse a request for its faults."""
        ...

    def learn(self, ids: Sequence[str], truths: Sequence[str | float]) -> None:
        """Take in the truth about answered rows: labels, or numbers."""
        ...

    def scrape(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Name, labels and value of everything that is told now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The rows of one day.

    Attributes:
        day: Their date.
        refused: Rows that were.
        predictions: Of the others; None where there are none.
        truths: Of the others: class codes, or numbers; NaN where the truth never came.
    """

    day: date
    refused: int
    predictions: Predictions | None
    truths: Truths


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a server told, and what it answered.

    Attributes:
        series: One sample a day of each.
        span: Midnight at the end of each day.
        days: In order; those without a row too.
    """

    series: Sequence[Series]
    span: Span
    days: Sequence[Answers]

    @property
    def told(self) -> frozenset[str]:
        """Names of the metrics that the server told."""
        return frozenset(each.labels[NAME] for each in self.series) - {UP}


def pass_through(stream: Stream, server: Server, advance: Advance) -> Past:
    """Send each row on its own date, and the truth about it the day after.

    Args:
        stream: Of at least one row.
        server: That has counted nothing yet.
        advance: Told of each day.
    """
    first, last = stream.ends
    rows_of = {
        key[0]: rows for key, rows in stream.rows.partition_by(stream.dates.name, as_dict=True).items()
    }
    empty = stream.rows.clear()
    told: dict[tuple[str, Labels], list[float]] = {}
    days: list[Answers] = []
    late: tuple[Sequence[str], Truths] = ((), np.empty(0))
    end = last + DAY  # it brings labels
    count = (end - first).days + 1
    for i in range(count):
        day = first + i * DAY
        server.now = midnight(day) + NOON_SECONDS
        _learn(server, stream, *late)
        answers, ids = _answer(server, stream, rows_of.get(day, empty), day)
        late = ids, answers.truths
        days.append(answers)
        for name, labels, value in server.scrape():
            told.setdefault((name, tuple(labels.items())), []).append(value)
        advance()
    return Past(
        series=_with_times(told, [midnight(first + i * DAY) - EDGE_SECONDS for i in range(count + 1)]),
        span=Span(start=midnight(first + DAY), end=midnight(first + count * DAY), step=DAY_SECONDS),
        days=days[:-1],
    )


def _with_times(told: Mapping[tuple[str, Labels], Sequence[float]], ends: Sequence[float]) -> list[Series]:
    """One sample at each of the last ends of a day; the first of all is that of the day before."""
    # it was up on that day too: what is counted first has grown from nothing
    up = Series(labels={NAME: UP, **TARGET}, times=ends, values=[1.0] * len(ends))
    others = (
        Series(labels={NAME: name, **dict(labels), **TARGET}, times=ends[-len(values) :], values=values)
        for (name, labels), values in told.items()
    )
    return [up, *others]


def midnight(day: date) -> float:
    """The beginning of a day in UTC, in seconds since 1970."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _learn(server: Server, stream: Stream, ids: Sequence[str], truths: Truths) -> None:
    known = np.nonzero(~np.isnan(truths))[0].tolist()
    labels = stream.use_case.target.labels
    told = [labels[int(truths[i])] if labels else float(truths[i]) for i in known]
    if told:
        server.learn([ids[i] for i in known], told)


def _answer(server: Server, stream: Stream, rows: pl.DataFrame, day: date) -> tuple[Answers, Sequence[str]]:
    asked = requests(stream, rows)
    for faults in asked.refused:
        server.refuse(faults)
    ids, predictions = server.answer(asked.matrix) if len(asked.matrix) else ((), None)
    answers = Answers(day=day, refused=len(asked.refused), predictions=predictions, truths=asked.truths)
    return answers, ids
