"""Logged predictions by the client: rows as they arrive, frames, and a stream that breaks off."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from python_clients import KINDS, URL, Caller
from servicio_ml_client import Client, NoResponseError, NotFoundError, UnexpectedResponseError

PATH = f"{URL}/models/m/predictions"
ROWS = [
    {"prediction_id": "p", "size": 1.5, "label": "yes"},
    {"prediction_id": "q", "size": None, "label": "\u2028"},
]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
TABLE = pa.table({"prediction_id": ["p", "q"], "size": [1.5, None]})
PROBLEM = {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "gone", "request_id": "id-1"}


def write_table() -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    body: bytes = sink.getvalue().to_pybytes()
    return body


class BrokenBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off after its first line."""

    def __iter__(self) -> Iterator[bytes]:
        yield LINES[: LINES.index(b"\n") + 1]
        raise httpx.RemoteProtocolError("peer closed connection")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for each in self:
            yield each


@pytest.mark.parametrize("kind", KINDS)
def test_rows(kind: str) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, content=LINES)

    call = Caller(kind=kind, handler=answer)
    assert call("read_predictions", "m") == ROWS
    assert (
        call("read_predictions", "m", since="2026-01-01T00:00:00+01:00", until="1h", version=3, limit=9)
        == ROWS
    )
    assert [str(request.url) for request in sent] == [
        f"{PATH}?since=24h",
        f"{PATH}?since=2026-01-01T00%3A00%3A00%2B01%3A00&until=1h&version=3&limit=9",
    ]
    assert {(request.method, request.headers["accept"]) for request in sent} == {
        ("GET", "application/x-ndjson")
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("words", "expected"),
    [((), pa.Table), (("polars",), pl.DataFrame), (("pandas",), pd.DataFrame), (("arrow",), pa.Table)],
    ids=["default", "polars", "pandas", "arrow"],
)
def test_frames(kind: str, words: tuple[str, ...], expected: type[Any]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept"] == "application/vnd.apache.arrow.stream"
        assert str(request.url) == f"{PATH}?since=7d&limit=2"
        return httpx.Response(200, content=write_table())

    frame = Caller(kind=kind, handler=answer)("read_prediction_frame", "m", *words, since="7d", limit=2)
    assert isinstance(frame, expected)
    table = frame if isinstance(frame, pa.Table) else pa.table(frame)
    assert table["prediction_id"].to_pylist() == ["p", "q"]


def test_a_row_is_read_before_the_next_one_is_sent() -> None:
    with httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, stream=BrokenBody()))
    ) as http:
        rows = Client(URL, http=http).read_predictions("m")
        assert next(rows) == ROWS[0]
        with pytest.raises(NoResponseError, match="peer closed connection"):
            next(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_breaks_off_is_an_error_and_not_sent_again(kind: str) -> None:
    call = Caller(kind=kind, handler=lambda _: httpx.Response(200, stream=BrokenBody()))
    with pytest.raises(NoResponseError, match="peer closed connection"):
        call("read_predictions", "m")
    assert call.waits == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["read_predictions", "read_prediction_frame"])
def test_a_refusal_is_typed_and_a_busy_server_asked_again(kind: str, method: str) -> None:
    statuses = [503, 404]
    call = Caller(kind=kind, handler=lambda _: httpx.Response(statuses.pop(0), json=PROBLEM))
    with pytest.raises(NotFoundError, match="gone"):
        call(method, "m")
    assert len(call.waits) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["read_predictions", "read_prediction_frame"])
@pytest.mark.parametrize("body", [b"<html>", b"[]\n"], ids=["HTML", "JSON"])
def test_a_success_of_another_service_is_an_error(kind: str, method: str, body: bytes) -> None:
    with pytest.raises(UnexpectedResponseError):
        Caller(kind=kind, handler=lambda _: httpx.Response(200, content=body))(method, "m")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("method", "words", "said"),
    [
        ("read_predictions", ("",), "model is empty"),
        ("read_prediction_frame", ("m", "numpy"), "library 'numpy'; it is one of arrow, polars, pandas"),
    ],
)
def test_a_wrong_argument_is_not_sent(kind: str, method: str, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Caller(kind=kind)(method, *words)
