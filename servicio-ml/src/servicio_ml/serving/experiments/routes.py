"""REST routes for experiments: start, stop, state, and export of assignments and outcomes."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from servicio_ml.domain.experiments.design import ExperimentDesign
from servicio_ml.domain.experiments.experiment import Experiment
from servicio_ml.domain.experiments.transitions import stop_experiment
from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.errors import NoSuchModelError, NotReadyError, RequestError, UseCaseError
from servicio_ml.lifecycle.experiments.actions import begin_experiment, change_experiment, list_experiments
from servicio_ml.serving.experiments.documents import ExperimentInfo, ExperimentList, build_experiment_info
from servicio_ml.serving.experiments.requests import StartExperimentRequest, StopExperimentRequest
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.rest.champions import read_author
from servicio_ml.serving.rest.predictions import (
    CONTENT,
    PredictionStream,
    create_version_loader,
    select_media_type,
    start_stream,
)

DEFAULT_LISTED, MAX_LISTED = 20, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentActions:
    """Actions of the routes; each one waits for databases or the registry, so never in the event loop.

    Attributes:
        service: Service of this process.
        plans: Store of the traffic plans.
        announce: Makes the other processes refresh their models.
        clock: Returns the time in seconds since 1970.
        lead_seconds: Time in which all replicas hear of new shares.
    """

    service: Service
    plans: TrafficPlanStore
    announce: Callable[[], None]
    clock: Clock
    lead_seconds: float

    def load(self, model: str, limit: int) -> list[Experiment]:
        """Load the newest experiments of a model.

        Raises:
            NoSuchModelError: There is no such model here.
            LogError: The store cannot be reached.
        """
        # an unknown model is refused before the store is asked
        self.service.models.get_status(model)
        return list_experiments(self.plans, model, limit)

    def load_newest(self, model: str) -> Experiment:
        """Load the newest experiment of a model.

        Raises:
            NoSuchModelError: There is no such model here, or it never had an experiment.
            LogError: The store cannot be reached.
        """
        found = self.load(model, 1)
        if not found:
            raise NoSuchModelError(model, "experiment", f"begin one: servicio-ml experiment {model} start")
        return found[0]

    def start(self, model: str, body: StartExperimentRequest, by: str) -> Experiment:
        """Begin an experiment with versions that load here and answer their golden rows.

        Raises:
            RequestError: The declaration is wrong.
            NotReadyError: The registry cannot be read, or the champion is not loaded.
            RolloutError: The model has a rollout or an experiment that is not over, the champion has a share,
                or the metric does not fit the model.
            ServicioError: A version cannot be loaded, or the store cannot be reached.
        """
        models = self.service.models
        models.get_status(model)
        # refreshed first: a version may have been registered a moment ago
        models.refresh()
        status = models.get_status(model)
        champion = status.find_alias(CHAMPION)
        if status.error or champion is None:
            raise NotReadyError(model, status.error)
        named = {models.get_or_load(model, name).version: share for name, share in body.shares.items()}
        if len(named) < len(body.shares):
            raise RequestError("a version has two shares", "name each one once, by number or by alias")
        design = _build_design(body, named)
        classes, now = len(models.get_champion(model).labels), self.clock()
        times = now, now + self.lead_seconds
        experiment = begin_experiment(self.plans, model, champion.version, design, classes, by, times)
        self.announce()
        return experiment

    def stop(self, model: str, body: StopExperimentRequest | None, by: str) -> Experiment:
        """Stop the newest experiment of a model.

        Raises:
            RolloutError: The model never had one, or it is over.
            LogError: The store cannot be reached.
        """
        self.service.models.get_status(model)
        reason = (body and body.reason) or ""
        stopped = change_experiment(
            self.plans, model, lambda newest: stop_experiment(newest, by, self.clock(), reason)
        )
        self.announce()
        return stopped

    def open_export(self, model: str, media_type: str) -> PredictionStream:
        """Open the assignments and outcomes of the newest experiment.

        Raises:
            ServicioError: There is none, a version cannot be loaded, or the log cannot be read.
        """
        # Arrow is loaded with the first request
        from servicio_ml.features.logged_rows.assignments import open_assignments  # noqa: PLC0415

        load = create_version_loader(self.service.models, model)
        opened = open_assignments(self.service.log, self.load_newest(model), self.clock(), load)
        return start_stream(opened, media_type)


def build_routes(actions: ExperimentActions) -> APIRouter:
    """Build the routes."""
    router = APIRouter(
        prefix="/models/{model}", tags=["experiment"], responses=describe_errors(401, 403, 404, 503)
    )
    _add_read_routes(router, actions)
    _add_change_routes(router, actions)
    _add_export_route(router, actions)
    return router


def _add_read_routes(router: APIRouter, actions: ExperimentActions) -> None:
    @router.get("/experiment", summary="Show the newest experiment")
    @require(Access.PREDICT)
    async def get_experiment(model: str) -> ExperimentInfo:
        """The intervals are those of the last evaluation, and hold however often they are looked at."""
        return build_experiment_info(await asyncio.to_thread(actions.load_newest, model))

    @router.get("/experiments", summary="List the experiments", responses=describe_errors(422))
    @require(Access.PREDICT)
    async def list_all(
        model: str, limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = DEFAULT_LISTED
    ) -> ExperimentList:
        found = await asyncio.to_thread(actions.load, model, limit)
        return ExperimentList(model=model, experiments=list(map(build_experiment_info, found)))


def _add_change_routes(router: APIRouter, actions: ExperimentActions) -> None:
    errors = describe_errors(400, 409, 413, 422)

    @router.post("/experiment", summary="Begin an experiment", responses=errors)
    @require(Access.ADMIN)
    async def start(model: str, request: Request, body: StartExperimentRequest) -> ExperimentInfo:
        """Clients with a key are assigned by share; each version must answer its golden rows first."""
        return build_experiment_info(
            await asyncio.to_thread(actions.start, model, body, read_author(request))
        )

    @router.post("/experiment/stop", summary="Stop the experiment", responses=errors)
    @require(Access.ADMIN)
    async def stop(model: str, request: Request, body: StopExperimentRequest | None = None) -> ExperimentInfo:
        """The champion answers everything again."""
        return build_experiment_info(await asyncio.to_thread(actions.stop, model, body, read_author(request)))


def _add_export_route(router: APIRouter, actions: ExperimentActions) -> None:
    @router.get(
        "/experiment/assignments",
        summary="Export assignments and outcomes",
        response_class=StreamingResponse,
        responses={200: {"content": CONTENT}, **describe_errors(400, 409)},
    )
    # rows of every client: a key that predicts must not read them
    @require(Access.ADMIN)
    async def export(
        model: str, accept: Annotated[str, Header(include_in_schema=False)] = ""
    ) -> StreamingResponse:
        """Read the answers of the newest experiment, the oldest first, with shares and ground truth."""
        stream = await asyncio.to_thread(actions.open_export, model, select_media_type(accept))
        return StreamingResponse(stream.pieces, media_type=stream.media_type, headers={"Vary": "Accept"})


def _build_design(body: StartExperimentRequest, shares: Mapping[int, float]) -> ExperimentDesign:
    given = body.model_dump(exclude_none=True)
    try:
        return ExperimentDesign(**{**given, "shares": shares})
    except UseCaseError as error:
        what, _, remedy = error.problem.partition("; ")
        raise RequestError(f"experiment: {what}", remedy) from error
