"""The result of an enqueued record, read with the caller's own client of Redis or Valkey."""

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from servicio_ml_client.documents import EnqueuedMessage
from servicio_ml_client.errors import DeadLetterError
from servicio_ml_client.predictions import Prediction

POLL_SECONDS = 0.05
PAGE_ENTRIES = 1000
REQUESTS, RESULTS, DEAD = ":requests", ":results", ":dead"
"""Ends of the names of a model's streams."""
Entry = tuple[bytes | str, Any]
"""Id and fields of an entry."""


class RedisReader(Protocol):
    """What is needed of a client such as `redis.Redis`."""

    def xrange(self, name: str, min: str, max: str, count: int) -> Any:  # noqa: A002  Redis's names
        """Return the entries of a stream between two ids."""
        ...


class AsyncRedisReader(Protocol):
    """What is needed of a client such as `redis.asyncio.Redis`."""

    def xrange(self, name: str, min: str, max: str, count: int) -> Awaitable[Any]:  # noqa: A002  Redis's names
        """Return the entries of a stream between two ids."""
        ...


class ResultSearch:
    """Search for the outcome of a message, in the results and dead letters that are newer than it.

    Attributes:
        positions: Id after which each stream is read next, by its name.
    """

    def __init__(self, message: EnqueuedMessage) -> None:
        self._message_id = message.message_id
        stem = message.stream.removesuffix(REQUESTS)
        # the millisecond before: an outcome of the same millisecond may have a smaller id
        before = f"{max(int(message.message_id.partition('-')[0]) - 1, 0)}-0"
        self.positions = dict.fromkeys((stem + RESULTS, stem + DEAD), before)

    def read_page(self, stream: str, entries: Sequence[Entry]) -> Prediction | None:
        """Read the next entries of a stream; None if the outcome is not among them.

        Raises:
            DeadLetterError: The message cannot be scored.
        """
        for entry_id, raw in entries:
            self.positions[stream] = _decode(entry_id)
            fields = {_decode(name): _decode(value) for name, value in raw.items()}
            if fields.get("request") != self._message_id:
                continue
            if stream.endswith(DEAD):
                raise DeadLetterError(self._message_id, fields["reason"])
            return Prediction.model_validate_json(fields["answer"])
        return None


def count_looks(timeout_seconds: float) -> int:
    """Count how often the streams are looked at within a time, at least once."""
    return max(1, round(timeout_seconds / POLL_SECONDS))


def _decode(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
