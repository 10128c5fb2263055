import json
from pathlib import Path

import pytest
from fastapi import FastAPI

from asgi import Answer, get
from orchard import apples, orchard, row, write_csv
from services import Bench, bench
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.memory import MemoryTracker
from servicio_ml.adapters.memory_lake import MemoryObjectStore
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.published import manifest_key
from servicio_ml.errors import StoreError
from servicio_ml.pipeline.etl import run_etl
from servicio_ml.serving.app import application
from servicio_ml.serving.data_page import routes
from servicio_ml.serving.openapi import document

PATH = "/models/small/data"
ROWS = 60


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> Bench:
    return bench(tmp_path, artifact_folder)


@pytest.fixture
def lake() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture
def app(made: Bench, lake: MemoryObjectStore) -> FastAPI:
    return application(made.service, [routes(made.service, lambda: lake)])


def published(lake: MemoryObjectStore, folder: Path, period: str, rows: int = ROWS) -> Manifest:
    folder.mkdir(exist_ok=True)
    return run_etl(
        orchard(name="small"), write_csv(folder / "a.csv", [*apples(rows), row(Seeds="x")]), named="my file",
        period=period, store=lake, connect=lambda: MemoryTracker(folder / "runs", clock=lambda: 0.0),
        progress=SilentProgress(), stats=NoStats(),
    )  # fmt: skip


def refused(answer: Answer, status: int, *parts: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    for part in parts:
        assert part in answer.document["detail"]


def test_what_was_published_is_told(app: FastAPI, lake: MemoryObjectStore, tmp_path: Path) -> None:
    manifest = published(lake, tmp_path / "etl", "2020-12")
    answer = get(app, PATH)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    told = answer.document
    assert (told["model"], told["period"], told["source"]) == ("small", "2020-12", "my file")
    assert told["digest"] == manifest.digest
    assert told["counts"] == {
        "read": ROWS + 1, "train": manifest.counts.train, "test": manifest.counts.test, "quarantined": 1,
        "duplicates": 0, "unlabelled": 0, "later": 0,
    }  # fmt: skip
    assert told["overview"] == json.loads(lake.fetch(manifest.files["overview"]).read_text())


def test_periods_are_listed_and_chosen(app: FastAPI, lake: MemoryObjectStore, tmp_path: Path) -> None:
    for period, rows in (("2020-12", 60), ("2021-02", 70)):
        published(lake, tmp_path / period, period, rows)
    latest, chosen = get(app, PATH).document, get(app, PATH, "period=2020-12").document
    assert latest["periods"] == chosen["periods"] == ["2020-12", "2021-02"]
    assert (latest["period"], latest["overview"]["rows"]) == ("2021-02", 70)
    assert (chosen["period"], chosen["overview"]["rows"]) == ("2020-12", 60)


def test_before_anything_is_published(app: FastAPI, lake: MemoryObjectStore, tmp_path: Path) -> None:
    refused(get(app, PATH), 404, "run `servicio-ml etl small` first")
    published(lake, tmp_path / "etl", "2020-12")
    refused(get(app, PATH, "period=2019-01"), 404, "run `servicio-ml etl small --period 2019-01` first")


def test_a_period_of_an_older_release_has_no_overview(
    app: FastAPI, lake: MemoryObjectStore, tmp_path: Path
) -> None:
    manifest = published(lake, tmp_path / "etl", "2020-12").to_json()
    del manifest["files"]["overview"]
    path = tmp_path / "manifest"
    path.write_text(json.dumps(manifest))
    lake.put(manifest_key("small", "2020-12"), path)
    refused(get(app, PATH), 404, "without an overview", "servicio-ml etl small --period 2020-12` again")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"rows": "many"}', b"\xff"], ids=repr)
def test_a_damaged_overview(app: FastAPI, lake: MemoryObjectStore, tmp_path: Path, content: bytes) -> None:
    manifest = published(lake, tmp_path / "etl", "2020-12")
    path = tmp_path / "overview"
    path.write_bytes(content)
    lake.put(manifest.files["overview"], path)
    refused(get(app, PATH), 503, "no overview", "servicio-ml etl small --period 2020-12` again")
    lake.delete(manifest.files["overview"])
    refused(get(app, PATH), 404, "published anew meanwhile")


def test_unknown_models_and_periods(app: FastAPI) -> None:
    refused(get(app, "/models/other/data"), 404, "other")
    refused(get(app, PATH, "period=2020-13"), 422, "period")
    refused(get(app, PATH, "period=../2020-12"), 422, "period")


def test_a_lake_that_is_down(app: FastAPI, lake: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(key: str) -> Path:
        raise StoreError("s3://lake", key, "connection refused")

    monkeypatch.setattr(lake, "fetch", down)
    refused(get(app, PATH, "period=2020-12"), 503, "connection refused")


def test_described_in_openapi(app: FastAPI, made: Bench) -> None:
    described = document(app, made.service)["paths"]["/models/{model}/data"]["get"]
    assert {"200", "400", "401", "403", "404", "422", "503"} == set(described["responses"])
    assert "Data" in json.dumps(described["responses"]["200"])
    assert {each["name"] for each in described["parameters"]} == {"model", "period"}
