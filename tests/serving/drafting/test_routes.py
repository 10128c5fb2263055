"""Routes of new use cases: for administrators only, over a drafter in memory."""

import json
from pathlib import Path
from typing import Any

import pytest

from asgi import AsgiResponse, call
from fakes.drafter import MemoryDrafter
from services import create_service
from servicio_ml.serving.app import build_app
from servicio_ml.serving.drafting.routes import build_routes
from servicio_ml.serving.http.route_access import Access, RouteAccess

JSON_HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def drafter() -> MemoryDrafter:
    return MemoryDrafter(files={"rent.csv": b"a,b", "bad.csv": b""})


@pytest.fixture
def app(tmp_path: Path, drafter: MemoryDrafter) -> Any:
    made = create_service(tmp_path, None)
    return build_app(made.service, [build_routes(drafter, 1000)])


def send(app: Any, method: str, path: str, document: object = None) -> AsgiResponse:
    body = document if isinstance(document, bytes) else json.dumps(document).encode() if document else b""
    return call(app, method, path, "", body, JSON_HEADERS)


def test_a_use_case_is_uploaded_drafted_written_and_trained(app: Any, drafter: MemoryDrafter) -> None:
    saved = send(app, "PUT", "/raw-files/new.csv", b"x,y\n1,2\n")
    assert saved.document == {"file": "new.csv", "bytes": 8}
    listed = send(app, "GET", "/raw-files")
    assert listed.document == {"files": ["bad.csv", "new.csv", "rent.csv"], "max_bytes": 1000}
    columns = send(app, "GET", "/raw-files/new.csv/columns").document
    assert columns == {"file": "new.csv", "columns": ["x", "y"], "target": "y"}
    request = {"file": "new.csv", "answers": {"target": "y"}}
    draft = send(app, "POST", "/use-cases/rent/draft", request).document
    assert draft == {"use_case": "rent", "draft": {"answers": {"target": "y"}}, "check": {"rows": 3}}
    assert drafter.written == {}
    assert send(app, "PUT", "/use-cases/rent", request).document == {"use_case": "rent", "written": True}
    assert drafter.written == {"rent": {"target": "y"}}
    assert send(app, "GET", "/use-cases/rent/training").document == {
        "use_case": "rent",
        "state": "none",
        "lines": [],
    }
    started = send(app, "POST", "/use-cases/rent/run", {"file": "new.csv"})
    assert (started.status, started.document["state"]) == (202, "running")
    assert send(app, "GET", "/use-cases/rent/training").document["lines"] == ["step: etl new.csv"]


def test_a_refusal_is_a_problem_with_its_text(app: Any) -> None:
    refused = send(app, "POST", "/use-cases/rent/draft", {"file": "bad.csv", "answers": {}})
    assert (refused.status, refused.document["detail"]) == (422, "no use case can be drafted from 'bad.csv'")
    assert send(app, "GET", "/raw-files/bad.csv/columns").status == 422
    request: dict[str, Any] = {"file": "rent.csv", "answers": {}}
    assert send(app, "PUT", "/use-cases/rent", request).status == 200
    assert send(app, "PUT", "/use-cases/rent", request).status == 422
    assert send(app, "PUT", "/use-cases/rent", {**request, "replace": True}).status == 200
    assert send(app, "PUT", "/use-cases/rent", {**request, "force": True}).status == 422


def test_every_route_is_for_administrators(app: Any) -> None:
    access: RouteAccess = app.state.access
    found = {each.access for each in access.routes if each.path.startswith(("/use-cases", "/raw-files"))}
    assert found == {Access.ADMIN}
