"""Frames of pandas, polars and Arrow travel as Arrow streams and come back as what they were."""

import io
import sys
from datetime import date
from typing import Any

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from python_clients import KINDS, Caller
from servicio_ml_client import UnexpectedResponseError

COLUMNS = {"size": [1.5, None, 3.0], "colour": ["red", "green", None]}
ANSWERS = pa.table({"prediction": [1, 0, 1], "label": ["yes", "no", "yes"], "prediction_id": ["a", "b", "c"]})
FRAMES = {
    "arrow": pa.table(COLUMNS),
    "polars": pl.DataFrame(COLUMNS),
    "pandas": pd.DataFrame(COLUMNS, index=[7, 5, 3]),
}
METADATA = {b"model": b"m", b"version": b"4"}


def _write(table: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _answer(table: Any, sent: list[httpx.Request]) -> Any:
    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, content=_write(table))

    return answer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_frame_is_sent_and_answered_as_one(kind: str, frame: Any) -> None:
    sent: list[httpx.Request] = []
    call = Caller(kind=kind, handler=_answer(ANSWERS.replace_schema_metadata(METADATA), sent))
    answer = call("predict_frame", "m", frame, version=4, client_key="me")
    [request] = sent
    assert str(request.url) == "http://models.test/models/m/predict/batch?version=4&on_error=refuse"
    assert request.headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert request.headers["accept"] == "application/vnd.apache.arrow.stream"
    assert request.headers["x-client-key"] == "me"
    table = pa.ipc.open_stream(request.content).read_all()
    assert table.to_pydict() == COLUMNS
    assert table.schema.metadata is None
    assert (answer.model, answer.version, answer.refused) == ("m", 4, None)
    assert type(answer.predictions) is type(frame)
    assert list(answer.predictions["prediction_id"]) == ["a", "b", "c"] or (
        answer.predictions["prediction_id"].to_pylist() == ["a", "b", "c"]
    )


def test_a_pandas_frame_keeps_its_index() -> None:
    call = Caller(kind="sync", handler=_answer(ANSWERS.replace_schema_metadata(METADATA), []))
    answers = call("predict_frame", "m", FRAMES["pandas"]).predictions
    assert answers.loc[5, "label"] == "no"
    assert answers.index.tolist() == [7, 5, 3]


def test_missing_values_of_pandas_are_null() -> None:
    sent: list[httpx.Request] = []
    call = Caller(kind="sync", handler=_answer(ANSWERS.replace_schema_metadata(METADATA), sent))
    frame = pd.DataFrame(
        {
            "number": [1.0, np.nan, None],
            "text": pd.Series(["a", np.nan, None], dtype=object),
            "level": pd.Categorical(["a", None, "b"]),
            "day": [date(2020, 1, 31), None, None],
        }
    )
    call("predict_frame", "m", frame)
    table = pa.ipc.open_stream(sent[0].content).read_all()
    assert [column.null_count for column in table.columns] == [2, 2, 1, 2]


def test_refused_rows_are_counted() -> None:
    table = ANSWERS.append_column("error", pa.array([None, None, "row 2: size"]))
    metadata = {**METADATA, b"refused": b"1"}
    sent: list[httpx.Request] = []
    call = Caller(kind="sync", handler=_answer(table.replace_schema_metadata(metadata), sent))
    answer = call("predict_frame", "m", FRAMES["polars"], on_error="partial")
    assert sent[0].url.params["on_error"] == "partial"
    assert answer.refused == 1
    assert answer.predictions["error"].to_list() == [None, None, "row 2: size"]


@pytest.mark.parametrize("body", [b"", b"{}", _write(ANSWERS)], ids=["empty", "JSON", "no version"])
def test_an_answer_of_another_form_is_an_error(body: bytes) -> None:
    call = Caller(kind="sync", handler=lambda _: httpx.Response(200, content=body))
    with pytest.raises(UnexpectedResponseError):
        call("predict_frame", "m", FRAMES["arrow"])


@pytest.mark.parametrize("frame", [pl.LazyFrame(COLUMNS), [{"size": 1}], pd.Series([1])], ids=str)
def test_what_is_no_frame_is_refused(frame: object) -> None:
    with pytest.raises(TypeError, match="is no frame; give a pandas or polars DataFrame, or a pyarrow Table"):
        Caller(kind="sync")("predict_frame", "m", frame)


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"servicio-ml-client\[arrow\]"):
        Caller(kind="sync")("predict_frame", "m", FRAMES["polars"])
