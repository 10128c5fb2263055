"""Access of routes: every route of the server declares it, and nothing is found without it."""

import io
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import Mount

from asgi import call
from fakes.decision_log import MemoryDecisionLog
from fakes.drafter import MemoryDrafter
from fakes.object_store import MemoryObjectStore
from fakes.traffic_plans import MemoryTrafficPlans
from services import ServiceFixture, create_service
from servicio_ml.api.routers import RouterPorts, build_routers
from servicio_ml.lifecycle.retraining_policy import RetrainingPolicy
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.http.route_access import ATTRIBUTE, Access, RouteAccess, get_access, require
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip.grpc_service import InferenceService, build_handler
from servicio_ml.serving.rest.predict import PredictRoutes
from servicio_ml.serving.retraining.acknowledgements import Acknowledgements
from servicio_ml.serving.retraining.decisions import RetrainingDecisions
from servicio_ml.use_cases.catalogue import UserFolder

PUBLIC_ROUTES = {
    "/", "/health", "/health/live", "/health/ready", "/metrics", "/docs", "/docs/oauth2-redirect",
    "/docs/static", "/graphql", "/openapi.json", "/v2/health/live", "/v2/health/ready",
}  # fmt: skip
ADMIN_ROUTES = {
    *("/raw-files", "/raw-files/{file}", "/raw-files/{file}/columns"),
    *("/use-cases/{name}", "/use-cases/{name}/draft", "/use-cases/{name}/run", "/use-cases/{name}/training"),
    "/models/{model}/reload", "/model/reload", "/models/{model}/traffic", "/models/{model}/champion",
    "/models/{model}/predictions", "/models/{model}/quarantine", "/v2/repository/models/{model}/load",
    "/v2/repository/models/{model}/unload", "/models/{model}/acknowledgements/{feature}",
    "/models/{model}/experiment/stop", "/models/{model}/experiment/assignments",
    *(f"/models/{{model}}/rollout/{action}" for action in ("pause", "resume", "abort")),
}  # fmt: skip
READ_BY_ALL_ROUTES = {
    "/models/{model}/acknowledgements",
    "/models/{model}/rollout",
    "/models/{model}/experiment",
}
"""Routes that administrators write and every user reads."""
GRPC_METHODS = [each.name for each in pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods]


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> ServiceFixture:
    return create_service(tmp_path, artifact_folder)


@pytest.fixture
def app(made: ServiceFixture) -> FastAPI:
    """The application of a worker with all its routers."""
    service = made.service
    policy = RetrainingPolicy(cooldown_seconds=0, monthly_budget=1)
    decisions = RetrainingDecisions(
        MemoryDecisionLog(), policy, service.models, service.metrics.retraining_decisions, made.clock
    )
    ports = RouterPorts(
        history=cast(Any, None), set_tag=made.registry.set_model_tag, announce=lambda: None,
        open_lake=MemoryObjectStore, broker=None, decisions=decisions,
        acknowledgements=Acknowledgements(MemoryDecisionLog(), service.log, service.models, made.clock),
        plans=MemoryTrafficPlans(), lead_seconds=1.0, hook=None, scrape=bytes, use_cases=UserFolder(None),
        drafter=MemoryDrafter(),
    )  # fmt: skip
    return build_app(service, build_routers(service, ports))


def list_routes(app: FastAPI) -> dict[str, set[Access]]:
    access: RouteAccess = app.state.access
    found: dict[str, set[Access]] = {}
    for route in access.routes:
        found.setdefault(route.path, set()).add(route.access)
    return found


def test_every_route_of_the_document_declares_its_access(app: FastAPI, made: ServiceFixture) -> None:
    access, predictions = app.state.access, PredictRoutes(made.service)
    declared = {(route.path, method) for route in access.routes for method in route.methods}
    for path, operations in app.openapi()["paths"].items():
        for method in operations:
            known = predictions.resolve_path(path) is not None or (path, method.upper()) in declared
            assert known, f"{method} {path}"
    assert get_access(predictions) is Access.PREDICT


def test_a_refusal_names_every_method_of_a_path(app: FastAPI, made: ServiceFixture) -> None:
    gateway = Gateway(app, made.service, AccessLog(io.BytesIO()), lambda _: 1)
    predictions = PredictRoutes(made.service)
    for path, operations in app.openapi()["paths"].items():
        answer = call(gateway, "TRACE", path.replace("{", "").replace("}", ""), "", b"", {})
        assert answer.status == 405, path
        methods = ["POST"] if predictions.resolve_path(path) else sorted(map(str.upper, operations))
        assert answer.headers["allow"] == ", ".join(methods), path


def test_only_these_routes_are_public_or_for_administrators(app: FastAPI) -> None:
    routes = list_routes(app)
    assert {path for path, access in routes.items() if Access.PUBLIC in access} == PUBLIC_ROUTES
    assert {path for path, access in routes.items() if access == {Access.ADMIN}} == ADMIN_ROUTES
    assert {path for path, access in routes.items() if access == {Access.TOKEN}} == {"/hooks/alertmanager"}
    mixed = {path for path, access in routes.items() if len(access) > 1}
    assert mixed - PUBLIC_ROUTES == READ_BY_ALL_ROUTES
    others = routes.keys() - PUBLIC_ROUTES - ADMIN_ROUTES - READ_BY_ALL_ROUTES - {"/hooks/alertmanager"}
    assert all(routes[path] == {Access.PREDICT} for path in others)
    assert len(others) > 20


def test_a_route_without_access_stops_the_start(made: ServiceFixture) -> None:
    router = APIRouter()

    @router.get("/forgotten")
    async def forget() -> None: ...

    with pytest.raises(TypeError, match=r"forget.* declares no access"):
        build_app(made.service, [router])


def test_included_routes_are_not_overlooked(made: ServiceFixture) -> None:
    inner, outer = APIRouter(), APIRouter()

    @inner.get("/inner")
    @require(Access.ADMIN)
    async def answer() -> None: ...

    outer.include_router(inner)
    with pytest.raises(TypeError, match=r"declares no access|no path"):
        build_app(made.service, [outer])


@pytest.mark.parametrize(
    ("method", "path", "access"),
    [
        ("GET", "/models", Access.PREDICT),
        ("PUT", "/models/small/traffic", Access.ADMIN),
        ("GET", "/models/small/traffic", Access.ADMIN),
        ("DELETE", "/models/small/quarantine", Access.ADMIN),
        ("POST", "/health/live", Access.PUBLIC),
        ("GET", "/docs/static/swagger-ui.css", Access.PUBLIC),
        ("POST", "/hooks/alertmanager", Access.TOKEN),
        ("GET", "/graphql", Access.PUBLIC),
        ("POST", "/graphql", Access.PREDICT),
        ("GET", "/nowhere", Access.PREDICT),
        ("GET", f"/nowhere/{'x' * 500}", Access.PREDICT),
        ("GET", f"/models/{'x' * 500}/reload", Access.ADMIN),
    ],
)
def test_access_of_a_request(app: FastAPI, method: str, path: str, access: Access) -> None:
    assert app.state.access.find(method, path) is access
    assert app.state.access.find(method, path) is access, "from the cache, too"


def test_several_methods_of_a_path_have_their_own_access() -> None:
    router = APIRouter()

    @router.get("/thing")
    @require(Access.PUBLIC)
    async def read() -> None: ...

    @router.put("/thing")
    @require(Access.ADMIN)
    async def write() -> None: ...

    access = RouteAccess((), router.routes)
    assert (access.find("GET", "/thing"), access.find("PUT", "/thing")) == (Access.PUBLIC, Access.ADMIN)
    assert access.find("DELETE", "/thing") is Access.ADMIN, "the strictest for a method that no route takes"


def test_mounted_applications_count() -> None:
    access = RouteAccess([Mount("/static", app=FastAPI())], ())
    assert access.find("GET", "/static/a/b.css") is Access.PUBLIC


@pytest.mark.parametrize("name", GRPC_METHODS)
def test_every_grpc_method_declares_its_access(made: ServiceFixture, name: str) -> None:
    expected = Access.PREDICT
    if name in {"ServerLive", "ServerReady"}:
        expected = Access.PUBLIC
    elif name in {"RepositoryModelLoad", "RepositoryModelUnload"}:
        expected = Access.ADMIN
    assert get_access(getattr(InferenceService(made.service, lambda: None), name)) is expected


def test_a_grpc_method_without_access_stops_the_start(made: ServiceFixture) -> None:
    class Forgetful(InferenceService):
        async def ModelInfer(self, request: Any, context: Any) -> Any: ...  # noqa: N802  gRPC's name

    assert not hasattr(Forgetful.ModelInfer, ATTRIBUTE)
    with pytest.raises(TypeError, match="declares no access"):
        build_handler(Forgetful(made.service, lambda: None))
