"""The result of an enqueued record is found among those of others, sync and async alike."""

import asyncio
import json
from typing import Any

import pytest

from servicio_ml_client import (
    AsyncClient,
    Client,
    DeadLetterError,
    EnqueuedMessage,
    Prediction,
    ResultTimeoutError,
)

MESSAGE = EnqueuedMessage(message_id="1000-5", stream="servicio_ml:m:requests")
RESULTS, DEAD = "servicio_ml:m:results", "servicio_ml:m:dead"
ANSWER = {
    "prediction": 1,
    "label": "yes",
    "probability": 0.7,
    "model": "m",
    "version": 2,
    "prediction_id": "p",
}
EXPECTED = Prediction(prediction=1, label="yes", probability=0.7, model="m", version=2, prediction_id="p")
OTHER = {"request": "1000-4", "key": "", "answer": "not read"}
MINE = {"request": "1000-5", "key": "me", "answer": json.dumps(ANSWER)}
BURIED = {"request": "1000-5", "reason": "5 workers took it", "fields": "{}"}


class StreamsFixture:
    """Streams that grow by a page with every look; the entries of `pages` by the name of a stream."""

    def __init__(self, *pages: dict[str, list[dict[str, str]]]) -> None:
        self.pages, self.starts = pages, list[tuple[str, str]]()

    def xrange(self, name: str, min: str, max: str, count: int) -> Any:  # noqa: A002  Redis's names
        assert (max, count) == ("+", 1000)
        look = sum(each == name for each, _ in self.starts)
        self.starts.append((name, min))
        entries = self.pages[look].get(name, []) if look < len(self.pages) else []
        return [
            (f"{1000 + look}-{i}".encode(), {key.encode(): text.encode() for key, text in each.items()})
            for i, each in enumerate(entries)
        ]


class AsyncStreamsFixture(StreamsFixture):
    async def xrange(self, name: str, min: str, max: str, count: int) -> Any:  # noqa: A002  Redis's names
        return super().xrange(name, min, max, count)


def _wait(kind: str, *pages: dict[str, list[dict[str, str]]]) -> tuple[Prediction, StreamsFixture, int]:
    pauses: list[float] = []

    async def wait() -> tuple[Prediction, StreamsFixture]:
        async def record(seconds: float) -> None:
            pauses.append(seconds)

        streams = AsyncStreamsFixture(*pages)
        async with AsyncClient("http://models.test", sleep=record) as client:
            return await client.wait_for_result(streams, MESSAGE, timeout_seconds=0.2), streams

    if kind == "async":
        return *asyncio.run(wait()), len(pauses)
    streams = StreamsFixture(*pages)
    with Client("http://models.test", sleep=pauses.append) as client:
        return client.wait_for_result(streams, MESSAGE, timeout_seconds=0.2), streams, len(pauses)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_result_is_found(kind: str) -> None:
    found, streams, pauses = _wait(kind, {RESULTS: [OTHER, OTHER]}, {}, {RESULTS: [OTHER, MINE]})
    assert found == EXPECTED
    assert pauses == 2
    # from the millisecond before, then after the last entry that was read
    assert [start for name, start in streams.starts if name == RESULTS] == ["(999-0", "(1000-1", "(1000-1"]
    assert {start for name, start in streams.starts if name == DEAD} == {"(999-0"}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_dead_letter_is_an_error(kind: str) -> None:
    with pytest.raises(DeadLetterError, match="message 1000-5 is a dead letter: 5 workers took it"):
        _wait(kind, {DEAD: [{**BURIED, "request": "1000-4"}]}, {DEAD: [BURIED]})


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_no_result_in_time_is_an_error(kind: str) -> None:
    with pytest.raises(ResultTimeoutError, match=r"message 1000-5 has no result after 0\.2 s"):
        _wait(kind, {}, {}, {}, {}, {RESULTS: [MINE]})


def test_texts_of_a_client_that_decodes_are_read() -> None:
    class Decoding(StreamsFixture):
        def xrange(self, *args: Any, **kwargs: Any) -> Any:
            decoded = super().xrange(*args, **kwargs)
            return [
                (each.decode(), {k.decode(): v.decode() for k, v in raw.items()}) for each, raw in decoded
            ]

    with Client("http://models.test", sleep=lambda _: None) as client:
        assert client.wait_for_result(Decoding({RESULTS: [MINE]}), MESSAGE) == EXPECTED
