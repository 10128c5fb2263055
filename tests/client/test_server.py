"""Both clients against running servers: every method, three ways to send rows, keys, refusals and streams."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import redis
import redis.asyncio

from model_server import COMMAND, MODELS, ModelServer, ModelShelf, run_model_server, wait_until
from python_clients import KINDS, Caller
from servers import find_free_port, start_redis_server
from servicio_ml.features.artifact import GOLDEN
from servicio_ml.serving.http.api_keys import Scope, format_key_line
from servicio_ml_client import (
    AsyncClient,
    BadRequestError,
    Client,
    ForbiddenError,
    InvalidRecordError,
    NoResponseError,
    NotFoundError,
    ProblemError,
    RowPrediction,
    UnauthorizedError,
    UnavailableError,
)
from servicio_ml_client.call import Call, Repeat

pytestmark = pytest.mark.slow
RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
BAD = {**RECORD, "weight": 99.5}
IDENTIFIED = "identified"
"""Model for rows with an identifier."""
FRAMES = {"arrow": pa.table, "polars": pl.DataFrame, "pandas": pd.DataFrame}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> ModelShelf:
    made = ModelShelf(tmp_path_factory.mktemp("state"))
    for model, fixture in MODELS.items():
        made.add(model, request.getfixturevalue(fixture))
    made.add(IDENTIFIED, request.getfixturevalue("identified_folder"))
    return made


@pytest.fixture(scope="module")
def platform(shelf: ModelShelf) -> Iterator[ModelServer]:
    with run_model_server(shelf.state) as made:
        yield made


@pytest.fixture(params=KINDS)
def call(request: pytest.FixtureRequest, platform: ModelServer) -> Caller:
    return Caller(kind=request.param, url=platform.url)


def _read_golden(shelf: ModelShelf, model: str) -> tuple[list[dict[str, Any]], list[float]]:
    golden = json.loads((shelf.registry.download(model, 1) / GOLDEN).read_text())
    return golden["records"], [each["value"] for each in golden["answers"]]


@pytest.mark.parametrize("model", MODELS)
def test_one_record_of_each_task(call: Caller, shelf: ModelShelf, model: str) -> None:
    records, expected = _read_golden(shelf, model)
    answer = call("predict", model, records[0])
    assert answer.prediction == pytest.approx(expected[0], rel=1e-5)
    assert (answer.model, answer.version) == (model, 1)
    assert (answer.label is None) == (model == "price")
    assert (answer.probability is not None) == (model == "small")
    assert (answer.probabilities is not None) == (model == "three")


@pytest.mark.parametrize("model", MODELS)
def test_lists_and_frames_get_the_same_answers(call: Caller, shelf: ModelShelf, model: str) -> None:
    records, expected = _read_golden(shelf, model)
    listed = call("predict_batch", model, records)
    assert [each.prediction for each in listed.predictions] == pytest.approx(expected, rel=1e-5)
    columns = {name: [record.get(name) for record in records] for name in RECORD}
    rows = [each.model_dump(exclude={"prediction_id", "error"}) for each in listed.predictions]
    for library, build in FRAMES.items():
        answer = call("predict_frame", model, build(columns))
        assert (answer.model, answer.version, answer.refused) == (model, 1, None)
        assert _list_rows(answer.predictions) == rows, library


def _list_rows(frame: Any) -> list[dict[str, Any]]:
    """The rows of an answer, whatever its library, without their ids."""
    table = frame if isinstance(frame, pa.Table) else pa.table(frame)
    absent = dict.fromkeys(RowPrediction.model_fields.keys() - {"prediction_id", "error"})
    return [
        {name: value for name, value in {**absent, **row}.items() if name in absent}
        for row in table.to_pylist()
    ]


def test_a_wrong_value_is_refused_with_its_place(call: Caller) -> None:
    for method, rows in (("predict_batch", [RECORD, BAD]), ("predict_frame", pl.DataFrame([RECORD, BAD]))):
        with pytest.raises(InvalidRecordError) as caught:
            call(method, "small", rows)
        [fault] = caught.value.faults
        assert (fault.row, fault.field, fault.value, fault.reason) == (1, "weight", 99.5, "range")
        assert caught.value.request_id == "id-1"
        assert caught.value.retry_after_seconds is None


def test_other_rows_are_answered_beside_a_refused_one(call: Caller) -> None:
    listed = call("predict_batch", "small", [RECORD, BAD], on_error="partial")
    assert (listed.refused, len(listed.errors)) == (1, 1)
    good, bad = listed.predictions
    assert good.label in {"no", "yes"}
    assert good.error is None
    assert (bad.prediction, bad.prediction_id) == (None, None)
    framed = call("predict_frame", "small", pl.DataFrame([RECORD, BAD]), on_error="partial")
    assert framed.refused == 1
    assert framed.predictions["error"].to_list() == [None, bad.error]


def test_sets_of_labels_with_their_level(call: Caller) -> None:
    one = call("predict", "small", RECORD, interval=0.9)
    batch = call("predict_batch", "small", [RECORD], interval=0.9)
    framed = call("predict_frame", "small", pl.DataFrame([RECORD]), interval=0.9)
    assert (one.interval, batch.interval, framed.interval) == (0.9, 0.9, 0.9)
    assert one.label in one.label_set
    assert one.probability_lower <= one.probability <= one.probability_upper
    assert batch.predictions[0].label_set == one.label_set == framed.predictions["label_set"][0].to_list()
    assert call("predict", "small", RECORD).label_set is None
    with pytest.raises(BadRequestError, match=r"it takes a share from 0\.5 to 0\.99"):
        call("predict", "small", RECORD, interval=2)


def test_ground_truth_of_predictions(call: Caller) -> None:
    batch = call("predict_batch", "small", [RECORD, RECORD])
    first, second = (each.prediction_id for each in batch.predictions)
    assert call("send_feedback", "small", first, "yes").status == "accepted"
    assert call("send_feedback", "small", first, "yes").status == "known"
    assert call("send_feedback", "small", first, "no").revision == 2
    receipts = call("send_feedback_batch", "small", {second: "no", "nothing": "no"})
    assert [(each.status, each.revision) for each in receipts] == [("accepted", 1), ("unknown", None)]
    with pytest.raises(NotFoundError):
        call("send_feedback", "small", "nothing", "no")


def test_ground_truth_of_identified_rows(call: Caller) -> None:
    assert call("get_schema", IDENTIFIED).identifier == "Row"
    row = f"row of {call.kind}"
    answer = call("predict", IDENTIFIED, {**RECORD, "identifier": row})
    framed = call("predict_frame", IDENTIFIED, pl.DataFrame([{**RECORD, "identifier": f"{row}, framed"}]))
    receipt = call("send_feedback", IDENTIFIED, row, "yes", by="identifier")
    assert (receipt.prediction_id, receipt.identifier) == (answer.prediction_id, row)
    receipts = call(
        "send_feedback_batch", IDENTIFIED, {f"{row}, framed": "no", "nobody": "no"}, by="identifier"
    )
    assert [each.status for each in receipts] == ["accepted", "unknown"]
    assert receipts[0].prediction_id == framed.predictions["prediction_id"][0]


def test_logged_predictions_are_read_back(call: Caller) -> None:
    batch = call("predict_batch", "small", [RECORD, {**RECORD, "size": None}])
    ids = [each.prediction_id for each in batch.predictions]
    call("send_feedback", "small", ids[0], "yes")
    rows = {row["prediction_id"]: row for row in call("read_predictions", "small", since="1h")}
    found = [rows[each] for each in ids]
    assert [{name: row[name] for name in RECORD} for row in found] == [RECORD, {**RECORD, "size": None}]
    assert [row["label"] for row in found] == [each.label for each in batch.predictions]
    assert [row["actual"] for row in found] == ["yes", None]
    frame = call("read_prediction_frame", "small", "polars", since="1h")
    assert set(ids) <= set(frame["prediction_id"])
    assert len(call("read_prediction_frame", "small", "arrow", limit=1)) == 1


def test_explanations_add_up(call: Caller) -> None:
    explained = call("explain", "small", RECORD, version=1)
    assert explained.contributions.keys() == RECORD.keys()
    assert sum(explained.contributions.values()) == pytest.approx(explained.score - explained.base)


def test_models_schema_and_drift(call: Caller) -> None:
    assert {each.model: each.champion for each in call("list_models")} == dict.fromkeys(
        (*MODELS, IDENTIFIED), 1
    )
    assert call("get_model", "small").versions[0].aliases == ["champion"]
    assert [each.name for each in call("get_schema", "small").fields] == list(RECORD)
    call("predict", "small", RECORD)
    drift = call("get_drift", "small", "1h")
    assert drift.rows >= 1
    assert {"size", "weight", "colour"} <= {each.name for each in drift.features}
    assert call("get_drift", "small", version=1).version == 1


@pytest.mark.parametrize(
    ("method", "arguments", "keywords", "expected"),
    [
        ("predict", ("nothing", RECORD), {}, NotFoundError),
        ("predict", ("small", RECORD), {"version": 9}, NotFoundError),
        ("predict", ("small", RECORD), {"alias": "challenger"}, NotFoundError),
        ("predict", ("small", {"size": "large"}), {}, InvalidRecordError),
        ("get_drift", ("small", "soon"), {}, ProblemError),
        ("send_feedback", ("small", "x", "perhaps"), {}, InvalidRecordError),
        ("enqueue", ("small", RECORD), {}, UnavailableError),
    ],
)
def test_a_refusal_is_typed(
    call: Caller, method: str, arguments: Any, keywords: Any, expected: type[ProblemError]
) -> None:
    with pytest.raises(expected) as caught:
        call(method, *arguments, **keywords)
    assert caught.value.request_id == "id-1"
    assert call.waits == []


def test_a_path_of_no_route_is_a_problem(platform: ModelServer) -> None:
    call = Call(method="GET", path="/models/a%0Ab", read=bytes, repeat=Repeat.ALWAYS)
    with Client(platform.url) as client, pytest.raises(BadRequestError, match="control character"):
        client.send(call)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_server_the_address_is_named(kind: str) -> None:
    call = Caller(kind=kind, url=f"http://127.0.0.1:{find_free_port()}")
    with pytest.raises(NoResponseError, match=call.url):
        call("list_models")
    assert call.waits == [0.125, 0.25, 0.5]


@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_accepted_refused_and_limited(kind: str, shelf: ModelShelf, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(format_key_line("me", frozenset({Scope.PREDICT}), "a-key") + "\n")
    reload = Call(method="POST", path="/models/small/reload", read=bytes, repeat=Repeat.ALWAYS)
    with run_model_server(shelf.state, keys_file=keys, workers=1) as server:
        assert Caller(kind=kind, url=server.url, key="a-key")("predict", "small", RECORD).version == 1
        for key in ("", "another"):
            with pytest.raises(UnauthorizedError):
                Caller(kind=kind, url=server.url, key=key)("predict", "small", RECORD)
        with pytest.raises(ForbiddenError):
            Caller(kind=kind, url=server.url, key="a-key")("send", reload)


def test_calls_of_one_async_client_run_together(platform: ModelServer) -> None:
    async def ask() -> list[str]:
        async with AsyncClient(platform.url) as client:
            answers = await asyncio.gather(*(client.predict("small", RECORD) for _ in range(50)))
        return [each.prediction_id for each in answers]

    assert len(set(asyncio.run(ask()))) == 50


def test_the_log_of_the_server_has_the_request_id(platform: ModelServer) -> None:
    with Client(platform.url, create_request_id=lambda: "found-in-the-log") as client:
        client.get_model("small")
    line = b'"request_id":"found-in-the-log","method":"GET","path":"/models/small"'
    wait_until("the call is logged", lambda: line in platform.lines.read_bytes())


def test_an_enqueued_record_gets_its_result(shelf: ModelShelf, tmp_path: Path) -> None:
    with (
        start_redis_server(tmp_path) as address,
        run_model_server(shelf.state, redis_url=address, workers=1) as server,
        _run_stream_worker(shelf.state, address),
        redis.Redis.from_url(address, decode_responses=True) as broker,
        Client(server.url) as client,
    ):
        message = client.enqueue("small", RECORD, key="mine")
        result = client.wait_for_result(broker, message)
        assert result.probability == client.predict("small", RECORD).probability
        assert asyncio.run(_enqueue(server.url, address)) == result.probability


@contextmanager
def _run_stream_worker(state: Path, address: str) -> Iterator[None]:
    settings = {"SERVICIO_ML_STATE_DIR": str(state), "SERVICIO_ML_REDIS_URL": address}
    with (state / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [COMMAND, "stream-worker"], stdout=log, stderr=log, env={**os.environ, **settings}
        )
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(timeout=60)


async def _enqueue(url: str, address: str) -> float | None:
    async with AsyncClient(url) as client, redis.asyncio.Redis.from_url(address) as broker:
        message = await client.enqueue("small", RECORD)
        return (await client.wait_for_result(broker, message)).probability
