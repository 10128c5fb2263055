"""The route of the logged predictions: formats, selection, keys, refusals, and a stream that breaks off."""

import asyncio
import io
import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from asgi import AsgiResponse, call
from logged_rows import build_chunk, list_ids
from services import ServiceFixture, create_service
from servicio_ml.adapters.prediction_log.scratch_log import ScratchLog
from servicio_ml.domain.prediction import Chunk, GroundTruth, Purpose
from servicio_ml.errors import LogError
from servicio_ml.features.logged_rows import read
from servicio_ml.features.logged_rows.columns import LoggedVersion
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.http.api_keys import ApiKey, ApiKeys, Scope, hash_key
from servicio_ml.serving.openapi import build_document
from servicio_ml.serving.rest.predictions import MEDIA_TYPES, build_routes, select_media_type

PATH = "/models/small/predictions"
JSON_LINES, CSV, PARQUET, ARROW_STREAM = MEDIA_TYPES
RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.1, "colour": "green"}
HOUR = 3600
KEYS = ApiKeys(
    (
        ApiKey(name="user", scopes=frozenset({Scope.PREDICT}), digest=hash_key("user-key")),
        ApiKey(name="boss", scopes=frozenset({Scope.ADMIN}), digest=hash_key("boss-key")),
    )
)


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> ServiceFixture:
    return create_service(tmp_path, artifact_folder)


@pytest.fixture
def chunks(made: ServiceFixture) -> list[Chunk]:
    """Two requests, three hours and an hour ago; the ground truth of the first one is known."""
    artifact, now = made.service.models.get_champion("small").artifact, made.clock.now
    version = LoggedVersion(version=1, schema=artifact.encoder.schema, output=artifact.output)
    chunks = [
        build_chunk(version, [RECORD], at=now - 3 * HOUR, outcomes=[1], probabilities=[(0.25, 0.75)],
                    identifiers=("k-1",), model="small"),
        build_chunk(version, [{**RECORD, "size": None}] * 2, at=now - HOUR, model="small"),
    ]  # fmt: skip
    made.log.write(chunks)
    truth = GroundTruth(prediction_id=list_ids(chunks[0])[0], actual=0.0, at=now)
    made.log.add_ground_truth([truth])
    return chunks


def build_gateway(made: ServiceFixture) -> Gateway:
    app = build_app(made.service, [build_routes(made.service, made.clock)])
    return Gateway(app, made.service, AccessLog(io.BytesIO()), random.Random(3).getrandbits)  # noqa: S311


KEY_HEADER = "x_api_key"


def ask(made: ServiceFixture, query: str = "", path: str = PATH, **headers: str) -> AsgiResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(build_gateway(made), "GET", path, query, b"", named)


def list_answered(answer: AsgiResponse) -> list[str]:
    assert answer.status == 200, answer.body
    return [json.loads(line)["prediction_id"] for line in answer.body.splitlines()]


def test_json_lines_are_the_default(made: ServiceFixture, chunks: list[Chunk]) -> None:
    answer = ask(made)
    assert (answer.status, answer.headers["content-type"]) == (200, JSON_LINES)
    assert answer.headers["vary"] == "Accept"
    first, second, _ = map(json.loads, answer.body.splitlines())
    assert 0 < first.pop("outlier_score") < 1
    moment = datetime.fromtimestamp(chunks[0].at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert first == {
        "prediction_id": list_ids(chunks[0])[0], "time": moment, "version": 1, "identifier": "k-1", **RECORD,
        "prediction": 1, "label": "yes", "probability": 0.75, "actual": "no",
    }  # fmt: skip
    assert (second["prediction_id"], second["size"], second["actual"]) == (list_ids(chunks[1])[0], None, None)


@pytest.mark.parametrize(
    ("media_type", "parse"),
    [
        (CSV, lambda body: pa.csv.read_csv(io.BytesIO(body))),
        (PARQUET, lambda body: pq.read_table(io.BytesIO(body))),
        (ARROW_STREAM, lambda body: pa.ipc.open_stream(body).read_all()),
    ],
    ids=["csv", "parquet", "arrow"],
)
def test_accept_selects_the_format(
    made: ServiceFixture, chunks: list[Chunk], media_type: str, parse: Any
) -> None:
    answer = ask(made, accept=media_type)
    assert answer.headers["content-type"].partition(";")[0] == media_type
    table = parse(answer.body)
    assert table["prediction_id"].to_pylist() == [each for chunk in chunks for each in list_ids(chunk)]
    assert table["colour"].to_pylist() == ["green"] * 3


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON_LINES),
        ("*/*", JSON_LINES),
        ("text/html, */*;q=0.8", JSON_LINES),
        ("text/html, Text/CSV; q=0.9, */*", CSV),
        (f"{PARQUET},{CSV}", PARQUET),
    ],
)
def test_the_first_format_that_is_known_is_sent(accept: str, expected: str) -> None:
    assert select_media_type(accept) == expected


def test_the_query_selects_rows(made: ServiceFixture, chunks: list[Chunk]) -> None:
    first, second = map(list_ids, chunks)
    assert list_answered(ask(made)) == first + second
    assert list_answered(ask(made, "since=2h")) == second
    assert list_answered(ask(made, "until=2h")) == first
    assert list_answered(ask(made, "limit=2&version=1")) == first + second[:1]
    moment = datetime.fromtimestamp(chunks[1].at, UTC)
    assert list_answered(ask(made, f"since={moment:%Y-%m-%dT%H:%M:%SZ}")) == second
    assert list_answered(ask(made, "since=1h&until=2030-01-01")) == second


def test_versions_of_the_window_are_loaded(
    made: ServiceFixture, chunks: list[Chunk], regression_folder: Path
) -> None:
    made.promote(regression_folder)
    artifact = made.service.models.get_champion("small").artifact
    version = LoggedVersion(version=2, schema=artifact.encoder.schema, output=artifact.output)
    made.log.write([build_chunk(version, [RECORD], at=chunks[1].at + 1, outcomes=[2.5], model="small")])
    rows = [json.loads(line) for line in ask(made).body.splitlines()]
    assert [(row["version"], row["prediction"], row["label"]) for row in rows] == [
        (1, 1.0, "yes"), (1, 0.0, "no"), (1, 0.0, "no"), (2, 2.5, None),
    ]  # fmt: skip


def test_a_window_without_rows_has_the_columns_of_the_champion(made: ServiceFixture) -> None:
    assert ask(made).body == b""
    assert ask(made, accept=CSV).body.startswith(
        b'"prediction_id","time","version","identifier","day","size"'
    )


@pytest.mark.parametrize(
    ("path", "query", "accept", "status", "said"),
    [
        ("/models/other/predictions", "", "", 404, "'other'"),
        (PATH, "version=7", "", 404, "version or alias '7'"),
        (PATH, "version=champion", "", 422, "version"),
        (PATH, "limit=0", "", 422, "limit"),
        (PATH, "since=3w", "", 400, "since '3w'; it takes 1h to 90d"),
        (PATH, "until=never", "", 400, "until 'never'"),
        (PATH, "since=1h&until=2h", "", 400, "since '1h' is not before until '2h'"),
        (PATH, "", "application/json", 400, "application/x-ndjson, text/csv"),
    ],
)
def test_a_wrong_request_is_refused(
    made: ServiceFixture, path: str, query: str, accept: str, status: int, said: str
) -> None:
    answer = ask(made, query, path, accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.body.decode()


def test_rows_of_all_clients_need_an_admin_key(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder, keys=KEYS)
    assert ask(made).status == 401
    assert ask(made, **{KEY_HEADER: "user-key"}).status == 403
    assert ask(made, **{KEY_HEADER: "boss-key"}).status == 200


class BrokenLog(ScratchLog):
    """Fails after its first chunk, or at once."""

    chunks_before, listed = 1, False

    def read_chunks(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Iterator[Chunk]:
        for i, chunk in enumerate(super().read_chunks(model, start, end, purposes)):
            # the versions were listed before
            if i == self.chunks_before and self.listed:
                raise LogError("there", "it is gone")
            yield chunk
        self.listed = True


def break_log(made: ServiceFixture, chunks: list[Chunk], chunks_before: int) -> ServiceFixture:
    log = BrokenLog()
    log.chunks_before = chunks_before
    log.write(chunks)
    object.__setattr__(made.service, "log", log)
    return made


def test_a_log_that_is_gone_is_answered(made: ServiceFixture, chunks: list[Chunk]) -> None:
    answer = ask(break_log(made, chunks, 0))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert "it is gone" in answer.document["detail"]


def test_a_stream_that_breaks_off_has_no_end(
    made: ServiceFixture, chunks: list[Chunk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "BLOCK_ROWS", 1)
    gateway, sent = build_gateway(break_log(made, chunks, 1)), list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": PATH, "raw_path": PATH.encode(), "query_string": b"",
        "headers": [(b"host", b"localhost")], "http_version": "1.1", "scheme": "http", "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "asgi": {"spec_version": "2.4"},
    }  # fmt: skip
    asyncio.run(gateway(scope, receive, send))
    # the server closes a connection whose body has not ended, which every client takes for an error
    assert [message.get("more_body") for message in sent] == [None, True]


def test_openapi_names_the_formats(made: ServiceFixture) -> None:
    app = build_app(made.service, [build_routes(made.service, made.clock)])
    operation = build_document(app, made.service)["paths"]["/models/{model}/predictions"]["get"]
    assert set(operation["responses"]["200"]["content"]) == set(MEDIA_TYPES)
    assert [each["name"] for each in operation["parameters"]] == [
        "model", "since", "until", "version", "limit",
    ]  # fmt: skip
