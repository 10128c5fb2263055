import json
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from asgi import AsgiResponse, call, get
from fakes.object_store import MemoryObjectStore
from services import ServiceFixture, create_service
from servicio_ml.errors import StoreError
from servicio_ml.lifecycle.reports import LatestReport, build_latest_key
from servicio_ml.serving.app import build_app
from servicio_ml.serving.openapi import build_document
from servicio_ml.serving.rest.drift_report import build_routes

PATH = "/models/small/drift/report"
PAGE, TEXT = b"<html>page</html>", b'{"verdict": "none"}'


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> ServiceFixture:
    return create_service(tmp_path, artifact_folder)


@pytest.fixture
def lake() -> MemoryObjectStore:
    return MemoryObjectStore()


def build_test_app(made: ServiceFixture, lake: MemoryObjectStore) -> FastAPI:
    return build_app(made.service, [build_routes(made.service, lambda: lake)])


def store_report(lake: MemoryObjectStore, folder: Path, now: float = 0.0) -> None:
    pointer = LatestReport.build("small", 1, now)
    files = {
        pointer.html: PAGE,
        pointer.json: TEXT,
        build_latest_key("small"): json.dumps(pointer.to_json()).encode(),
    }
    for key, content in files.items():
        path = folder / "file"
        path.write_bytes(content)
        lake.put(key, path)


@pytest.mark.parametrize(
    ("query", "accept", "json_wanted"),
    [
        ("", "", False),
        ("", "*/*", False),
        ("", "text/html,application/xhtml+xml,application/json;q=0.1", False),
        ("", "application/json", True),
        ("format=json", "text/html", True),
        ("format=html", "application/json", False),
    ],
)
def test_page_or_document(
    query: str, accept: str, json_wanted: bool, made: ServiceFixture, lake: MemoryObjectStore, tmp_path: Path  # noqa: FBT001  a parameter
) -> None:  # fmt: skip
    store_report(lake, tmp_path)
    answer = call(build_test_app(made, lake), "GET", PATH, query, b"", {"Accept": accept} if accept else {})
    kind, body = ("application/json", TEXT) if json_wanted else ("text/html; charset=utf-8", PAGE)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, kind, body)


def test_the_page_cannot_act_on_the_api(
    made: ServiceFixture, lake: MemoryObjectStore, tmp_path: Path
) -> None:
    store_report(lake, tmp_path)
    headers = get(build_test_app(made, lake), PATH).headers
    policy = headers["content-security-policy"].split("; ")
    assert policy[:2] == ["sandbox allow-scripts", "default-src 'none'"]
    assert not any("allow-same-origin" in each or "connect-src" in each for each in policy)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["vary"] == "Accept"


def check_refused(answer: AsgiResponse, status: int, *fragments: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    for fragment in fragments:
        assert fragment in answer.document["detail"]


def test_without_a_report_it_says_how_to_make_one(
    made: ServiceFixture, lake: MemoryObjectStore, tmp_path: Path
) -> None:
    app = build_test_app(made, lake)
    check_refused(get(app, PATH), 404, "servicio-ml report small")
    store_report(lake, tmp_path)
    lake.delete(LatestReport.build("small", 1, 0.0).html)
    check_refused(get(app, PATH), 404, "servicio-ml report small")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"html": 1}', b"\xff"], ids=repr)
def test_a_damaged_pointer(
    content: bytes, made: ServiceFixture, lake: MemoryObjectStore, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    lake.put(build_latest_key("small"), path)
    check_refused(get(build_test_app(made, lake), PATH), 503, "no pointer", "servicio-ml report small")


def test_unknown_models_and_formats(made: ServiceFixture, lake: MemoryObjectStore) -> None:
    app = build_test_app(made, lake)
    check_refused(get(app, "/models/other/drift/report"), 404, "other")
    check_refused(get(app, PATH, "format=pdf"), 422, "format")


def test_a_lake_that_is_down(
    made: ServiceFixture, lake: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_error(key: str) -> Path:
        raise StoreError("s3://lake", key, "connection refused")

    monkeypatch.setattr(lake, "fetch", raise_error)
    check_refused(get(build_test_app(made, lake), PATH), 503, "connection refused")


def test_described_in_openapi(made: ServiceFixture, lake: MemoryObjectStore) -> None:
    described = build_document(build_test_app(made, lake), made.service)["paths"][
        "/models/{model}/drift/report"
    ]["get"]
    assert {"200", "400", "401", "403", "404", "422", "503"} == set(described["responses"])
    assert set(described["responses"]["200"]["content"]) == {"text/html", "application/json"}
    assert {each["name"] for each in described["parameters"]} == {"model", "format"}


def test_the_server_never_imports_evidently() -> None:
    program = "import sys, servicio_ml.api.worker as _; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "fastapi" in done.stdout.split()
    assert not {"evidently", "pandas", "lightgbm", "sklearn"} & set(done.stdout.split())
