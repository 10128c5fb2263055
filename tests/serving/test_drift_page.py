import json
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from asgi import Answer, called, get
from services import Bench, bench
from servicio_ml.adapters.memory_lake import MemoryObjectStore
from servicio_ml.domain.report import Pointer, latest_key
from servicio_ml.errors import StoreError
from servicio_ml.serving.app import application
from servicio_ml.serving.drift_page import routes
from servicio_ml.serving.openapi import document

PATH = "/models/small/drift/report"
PAGE, TEXT = b"<html>page</html>", b'{"verdict": "none"}'


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> Bench:
    return bench(tmp_path, artifact_folder)


@pytest.fixture
def lake() -> MemoryObjectStore:
    return MemoryObjectStore()


def app_of(made: Bench, lake: MemoryObjectStore) -> FastAPI:
    return application(made.service, [routes(made.service, lambda: lake)])


def stored(lake: MemoryObjectStore, folder: Path, now: float = 0.0) -> None:
    pointer = Pointer.of("small", 1, now)
    files = {
        pointer.html: PAGE,
        pointer.json: TEXT,
        latest_key("small"): json.dumps(pointer.to_json()).encode(),
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
    query: str, accept: str, json_wanted: bool, made: Bench, lake: MemoryObjectStore, tmp_path: Path  # noqa: FBT001  a parameter
) -> None:  # fmt: skip
    stored(lake, tmp_path)
    answer = called(app_of(made, lake), "GET", PATH, query, b"", {"Accept": accept} if accept else {})
    kind, body = ("application/json", TEXT) if json_wanted else ("text/html; charset=utf-8", PAGE)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, kind, body)


def test_the_page_cannot_act_on_the_api(made: Bench, lake: MemoryObjectStore, tmp_path: Path) -> None:
    stored(lake, tmp_path)
    headers = get(app_of(made, lake), PATH).headers
    policy = headers["content-security-policy"].split("; ")
    assert policy[:2] == ["sandbox allow-scripts", "default-src 'none'"]
    assert not any("allow-same-origin" in each or "connect-src" in each for each in policy)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["vary"] == "Accept"


def refused(answer: Answer, status: int, *parts: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    for part in parts:
        assert part in answer.document["detail"]


def test_without_a_report_it_says_how_to_make_one(
    made: Bench, lake: MemoryObjectStore, tmp_path: Path
) -> None:
    app = app_of(made, lake)
    refused(get(app, PATH), 404, "servicio-ml report small")
    stored(lake, tmp_path)
    lake.delete(Pointer.of("small", 1, 0.0).html)
    refused(get(app, PATH), 404, "servicio-ml report small")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"html": 1}', b"\xff"], ids=repr)
def test_a_damaged_pointer(content: bytes, made: Bench, lake: MemoryObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    lake.put(latest_key("small"), path)
    refused(get(app_of(made, lake), PATH), 503, "no pointer", "servicio-ml report small")


def test_unknown_models_and_formats(made: Bench, lake: MemoryObjectStore) -> None:
    app = app_of(made, lake)
    refused(get(app, "/models/other/drift/report"), 404, "other")
    refused(get(app, PATH, "format=pdf"), 422, "format")


def test_a_lake_that_is_down(made: Bench, lake: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(key: str) -> Path:
        raise StoreError("s3://lake", key, "connection refused")

    monkeypatch.setattr(lake, "fetch", down)
    refused(get(app_of(made, lake), PATH), 503, "connection refused")


def test_described_in_openapi(made: Bench, lake: MemoryObjectStore) -> None:
    described = document(app_of(made, lake), made.service)["paths"]["/models/{model}/drift/report"]["get"]
    assert {"200", "400", "401", "403", "404", "422", "503"} == set(described["responses"])
    assert set(described["responses"]["200"]["content"]) == {"text/html", "application/json"}
    assert {each["name"] for each in described["parameters"]} == {"model", "format"}


def test_the_server_never_imports_evidently() -> None:
    program = "import sys, servicio_ml.api.worker as _; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "fastapi" in done.stdout.split()
    assert not {"evidently", "pandas", "lightgbm", "sklearn"} & set(done.stdout.split())
