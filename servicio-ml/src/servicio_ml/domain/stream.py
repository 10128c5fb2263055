"""Streams of a model: requests, results and dead letters, with the fields of their entries."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

# one group: the broker then delivers each request to one worker only
GROUP = "servicio_ml"
"""Consumer group that all workers share."""
RECORD, KEY, VERSION, INTERVAL, OUTLIER = "record", "key", "version", "interval", "outlier"
"""Fields of a request: one record as JSON, a key that the result echoes to the sender, the alias or version
that scores it (the champion without one), the level of the interval or set that the result shall have, and
whether it shall have an outlier score."""
# refusing is visible to the sender, whereas trimming the stream would lose accepted requests
MAX_BACKLOG = 100_000
"""Maximum number of waiting requests of one model; further ones are refused, none is dropped."""


class StreamKind(StrEnum):
    """Kinds of streams of one model."""

    REQUESTS = "requests"
    RESULTS = "results"
    DEAD = "dead"


# approximate, because Redis trims whole nodes of a stream far more cheaply than single entries
MAX_ENTRIES: Mapping[StreamKind, int] = {StreamKind.RESULTS: 100_000, StreamKind.DEAD: 10_000}
"""Approximate maximum number of entries of a stream; the oldest are removed first."""


def build_stream_name(model: str, stream: StreamKind) -> str:
    """Build the name of a model's stream."""
    return f"servicio_ml:{model}:{stream.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMessage:
    """A request as a worker receives it.

    Attributes:
        id: Identifier that the broker assigned.
        fields: Fields as sent; bytes that are not UTF-8 are escaped.
        deliveries: Number of deliveries to workers, including this one.
    """

    id: str
    fields: Mapping[str, str]
    # a request that crashes its workers is recognised by its number of deliveries
    deliveries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamResult:
    """Result of a request.

    Attributes:
        request: Identifier of the request.
        key: Key of the request, echoed.
        answer: Response document as JSON.
    """

    request: str
    key: str
    answer: str

    @property
    def stream(self) -> StreamKind:
        return StreamKind.RESULTS

    def to_fields(self) -> Mapping[str, str]:
        """Return the fields of the stream entry."""
        return {"request": self.request, KEY: self.key, "answer": self.answer}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A request that cannot be scored.

    Attributes:
        request: Identifier of the request.
        reason: Explanation for people.
        fields: Fields of the request as sent.
    """

    request: str
    reason: str
    fields: Mapping[str, str]

    @property
    def stream(self) -> StreamKind:
        return StreamKind.DEAD

    def to_fields(self) -> Mapping[str, str]:
        """Return the fields of the stream entry."""
        # nested as JSON, so that no field of the request can replace `request` or `reason`
        return {"request": self.request, "reason": self.reason, "fields": json.dumps(dict(self.fields))}


StreamOutcome = StreamResult | DeadLetter
"""Outcome of a request."""
