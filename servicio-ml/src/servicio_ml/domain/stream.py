"""The streams of a model: requests, results and dead letters, and what stands in them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

GROUP = "servicio_ml"
"""The consumer group that all workers share."""
RECORD, KEY = "record", "key"
"""Fields of a request: one record as JSON, and whatever its sender wants to find again beside the answer."""
MAX_BACKLOG = 100_000
"""Requests of one model that may wait for an answer; more are refused rather than some forgotten."""


class Stream(StrEnum):
    """The streams of one model."""

    REQUESTS = "requests"
    RESULTS = "results"
    DEAD = "dead"


KEPT: Mapping[Stream, int] = {Stream.RESULTS: 100_000, Stream.DEAD: 10_000}
"""Entries that a stream holds, about; the oldest make room."""


def stream_name(model: str, stream: Stream) -> str:
    """What a model's stream is called."""
    return f"servicio_ml:{model}:{stream.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request as a worker gets it.

    Attributes:
        id: Given by the stream.
        fields: As they were sent; bytes that are no UTF-8 are shown as escapes.
        deliveries: How often it was handed to a worker, this time included.
    """

    id: str
    fields: Mapping[str, str]
    deliveries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The answer to a request.

    Attributes:
        request: The message's id.
        key: The request's own, echoed.
        answer: The answer document as JSON.
    """

    request: str
    key: str
    answer: str

    @property
    def stream(self) -> Stream:
        return Stream.RESULTS

    def entry(self) -> Mapping[str, str]:
        """The fields of its entry."""
        return {"request": self.request, KEY: self.key, "answer": self.answer}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """A request that cannot be answered.

    Attributes:
        request: The message's id.
        reason: Why, in words.
        fields: The message's, as they were sent.
    """

    request: str
    reason: str
    fields: Mapping[str, str]

    @property
    def stream(self) -> Stream:
        return Stream.DEAD

    def entry(self) -> Mapping[str, str]:
        """The fields of its entry; the message's own stand in one of them, as JSON."""
        return {"request": self.request, "reason": self.reason, "fields": json.dumps(dict(self.fields))}


Verdict = Result | Dead
"""What becomes of a request."""
