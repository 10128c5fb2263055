import json
from pathlib import Path

import pytest
from fastapi import FastAPI

from asgi import AsgiResponse, get
from fakes.object_store import MemoryObjectStore
from fakes.tracker import MemoryTracker
from orchard_use_case import build_row, build_rows, build_use_case, write_csv
from services import ServiceFixture, create_service
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.dataset import Manifest
from servicio_ml.errors import StoreError
from servicio_ml.lifecycle.published import build_manifest_key
from servicio_ml.pipeline.etl.run import run_etl
from servicio_ml.serving.app import build_app
from servicio_ml.serving.openapi import build_document
from servicio_ml.serving.rest.data import build_routes

PATH = "/models/small/data"
ROWS = 60


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> ServiceFixture:
    return create_service(tmp_path, artifact_folder)


@pytest.fixture
def lake() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture
def app(made: ServiceFixture, lake: MemoryObjectStore) -> FastAPI:
    return build_app(made.service, [build_routes(made.service, lambda: lake, lambda: {"planned": "Planned"})])


def publish(
    lake: MemoryObjectStore, folder: Path, period: str, rows: int = ROWS, name: str = "small"
) -> Manifest:
    folder.mkdir(exist_ok=True)
    return run_etl(
        build_use_case(name=name),
        write_csv(folder / "a.csv", [*build_rows(rows), build_row(Seeds="x")]),
        source_name="my file",
        period=period,
        store=lake,
        connect_tracker=lambda: MemoryTracker(folder / "runs", clock=lambda: 0.0),
        progress=SilentProgress(),
        stats=NoStats(),
    )


def check_refused(answer: AsgiResponse, status: int, *fragments: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    for fragment in fragments:
        assert fragment in answer.document["detail"]


def test_published_data_is_shown(app: FastAPI, lake: MemoryObjectStore, tmp_path: Path) -> None:
    manifest = publish(lake, tmp_path / "etl", "2020-12")
    answer = get(app, PATH)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    result = answer.document
    assert (result["model"], result["period"], result["source"]) == ("small", "2020-12", "my file")
    assert result["digest"] == manifest.digest
    assert result["counts"] == {
        "read": ROWS + 1, "train": manifest.counts.train, "test": manifest.counts.test, "quarantined": 1,
        "duplicates": 0, "unlabelled": 0, "later": 0,
    }  # fmt: skip
    assert result["overview"] == json.loads(lake.fetch(manifest.files["overview"]).read_text())


def test_periods_are_listed_and_chosen(app: FastAPI, lake: MemoryObjectStore, tmp_path: Path) -> None:
    for period, rows in (("2020-12", 60), ("2021-02", 70)):
        publish(lake, tmp_path / period, period, rows)
    latest, chosen = get(app, PATH).document, get(app, PATH, "period=2020-12").document
    assert latest["periods"] == chosen["periods"] == ["2020-12", "2021-02"]
    assert (latest["period"], latest["overview"]["rows"]) == ("2021-02", 70)
    assert (chosen["period"], chosen["overview"]["rows"]) == ("2020-12", 60)


def test_before_anything_is_published(app: FastAPI, lake: MemoryObjectStore, tmp_path: Path) -> None:
    check_refused(get(app, PATH), 404, "run `servicio-ml etl small` first")
    publish(lake, tmp_path / "etl", "2020-12")
    check_refused(get(app, PATH, "period=2019-01"), 404, "run `servicio-ml etl small --period 2019-01` first")


def test_a_period_of_an_older_release_has_no_overview(
    app: FastAPI, lake: MemoryObjectStore, tmp_path: Path
) -> None:
    manifest = publish(lake, tmp_path / "etl", "2020-12").to_json()
    del manifest["files"]["overview"]
    path = tmp_path / "manifest"
    path.write_text(json.dumps(manifest))
    lake.put(build_manifest_key("small", "2020-12"), path)
    check_refused(get(app, PATH), 404, "without an overview", "servicio-ml etl small --period 2020-12` again")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"rows": "many"}', b"\xff"], ids=repr)
def test_a_damaged_overview(app: FastAPI, lake: MemoryObjectStore, tmp_path: Path, content: bytes) -> None:
    manifest = publish(lake, tmp_path / "etl", "2020-12")
    path = tmp_path / "overview"
    path.write_bytes(content)
    lake.put(manifest.files["overview"], path)
    check_refused(get(app, PATH), 503, "no overview", "servicio-ml etl small --period 2020-12` again")
    lake.delete(manifest.files["overview"])
    check_refused(get(app, PATH), 404, "published again meanwhile")


def test_an_installed_use_case_has_data_before_a_model(
    app: FastAPI, lake: MemoryObjectStore, tmp_path: Path
) -> None:
    check_refused(get(app, "/models/planned/data"), 404, "run `servicio-ml etl planned` first")
    publish(lake, tmp_path / "etl", "2020-12", name="planned")
    assert get(app, "/models/planned/data").document["counts"]["read"] == ROWS + 1


def test_unknown_models_and_periods(app: FastAPI) -> None:
    check_refused(get(app, "/models/other/data"), 404, "other")
    check_refused(get(app, PATH, "period=2020-13"), 422, "period")
    check_refused(get(app, PATH, "period=../2020-12"), 422, "period")


def test_a_lake_that_is_down(app: FastAPI, lake: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_error(key: str) -> Path:
        raise StoreError("s3://lake", key, "connection refused")

    monkeypatch.setattr(lake, "fetch", raise_error)
    check_refused(get(app, PATH, "period=2020-12"), 503, "connection refused")


def test_described_in_openapi(app: FastAPI, made: ServiceFixture) -> None:
    described = build_document(app, made.service)["paths"]["/models/{model}/data"]["get"]
    assert {"200", "400", "401", "403", "404", "422", "503"} == set(described["responses"])
    assert "Data" in json.dumps(described["responses"]["200"])
    assert {each["name"] for each in described["parameters"]} == {"model", "period"}
