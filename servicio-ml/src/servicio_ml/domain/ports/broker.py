"""Port of the streams of requests and results."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from servicio_ml.domain.stream import StreamMessage, StreamOutcome


class Broker(Protocol):
    """Streams of all models, read as one consumer of the group that all workers share.

    Every method raises `BrokerError` when the broker cannot be reached or refuses, and may be called from
    several threads::

        broker.join("rain_australia")
        for model, messages in broker.read(["rain_australia"], rows=256, wait_seconds=1).items():
            broker.finish(model, [answer(message) for message in messages])
    """

    def append(self, model: str, fields: Mapping[str, str]) -> str:
        """Add a request and return its id; refused when `MAX_BACKLOG` requests wait."""
        ...

    def join(self, model: str) -> None:
        """Join the model's group; a new group starts at the first request of the stream."""
        ...

    def read(
        self, models: Sequence[str], *, rows: int, wait_seconds: float
    ) -> Mapping[str, Sequence[StreamMessage]]:
        """Return undelivered requests by model, at most `rows` of each; models without any are left out.

        Wait up to `wait_seconds` for the first one; 0 does not wait.
        """
        ...

    def claim(self, model: str, *, idle_seconds: float) -> StreamMessage | None:
        """Take over the oldest unfinished request that was delivered at least `idle_seconds` ago."""
        ...

    def finish(self, model: str, verdicts: Sequence[StreamOutcome]) -> int:
        """Write results and dead letters and remove their requests, each in one transaction.

        A request that another consumer has taken over or finished is skipped. Return the number of requests
        finished by this call.
        """
        ...

    def count_backlog(self, model: str) -> int:
        """Count the requests without a result, delivered or not."""
        ...

    def leave(self, model: str) -> None:
        """Remove this consumer from the group, unless it holds unfinished requests."""
        ...

    def close(self) -> None: ...
