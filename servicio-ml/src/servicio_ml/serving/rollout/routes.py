"""REST routes for rollouts: start, pause, resume, abort, and their state."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Query, Request

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.rollout.rollout import Rollout
from servicio_ml.domain.rollout.transitions import abort_rollout, pause_rollout, resume_rollout
from servicio_ml.errors import NoSuchModelError, NotReadyError, RequestError, ServicioError, UseCaseError
from servicio_ml.lifecycle.model_history_reader import ModelHistoryReader
from servicio_ml.lifecycle.rollout.actions import begin_rollout, change_rollout, list_rollouts, record_rollout
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.rest.champions import read_author
from servicio_ml.serving.rollout.documents import RolloutInfo, RolloutList, build_rollout_info
from servicio_ml.serving.rollout.requests import ChangeRolloutRequest, RampOverrides, StartRolloutRequest

logger = logging.getLogger(__name__)
DEFAULT_LISTED, MAX_LISTED = 20, 100
Transition = Callable[[Rollout, str, float, str], Rollout]
"""Transition of a rollout by a person, at a time, for a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutActions:
    """Actions of the routes; each one waits for databases or the registry, so never in the event loop.

    Attributes:
        models: Loaded models of this process.
        plans: Store of the traffic plans.
        find_ramp: Returns the ramp of a model's use case.
        announce: Makes the other processes refresh their models.
        clock: Returns the time in seconds since 1970.
        history: Records the ends that people decide.
    """

    models: LoadedModels
    plans: TrafficPlanStore
    history: ModelHistoryReader
    find_ramp: Callable[[str], Ramp]
    announce: Callable[[], None]
    clock: Clock

    def load(self, model: str, limit: int) -> list[RolloutInfo]:
        """Load the newest rollouts of a model.

        Raises:
            NoSuchModelError: There is no such model here.
            LogError: The store cannot be reached.
        """
        # an unknown model is refused before the store is asked
        self.models.get_status(model)
        return [self._build_info(each) for each in list_rollouts(self.plans, model, limit)]

    def start(self, model: str, body: StartRolloutRequest, by: str) -> RolloutInfo:
        """Begin a rollout of a version that loads here and answers its golden rows.

        Raises:
            RequestError: The ramp is wrong, or version and alias are given.
            NotReadyError: The registry cannot be read, or the champion is not loaded.
            RolloutError: The model has a rollout that is not over, or the challenger is the champion.
            ServicioError: The challenger cannot be loaded, or the store cannot be reached.
        """
        self.models.get_status(model)
        ramp, wanted = _override_ramp(self.find_ramp(model), body.ramp), _name_version(body)
        # refreshed first: the version may have been registered a moment ago
        self.models.refresh()
        status = self.models.get_status(model)
        champion = status.find_alias(CHAMPION)
        if status.error or champion is None:
            raise NotReadyError(model, status.error)
        challenger = self.models.get_or_load(model, wanted)
        versions = champion.version, challenger.version
        return self._announce(begin_rollout(self.plans, model, versions, ramp, by, self.clock()))

    def change(self, model: str, body: ChangeRolloutRequest | None, by: str, make: Transition) -> RolloutInfo:
        """Change the newest rollout of a model.

        Raises:
            RolloutError: The model never had one, or its state does not allow the change.
            LogError: The store cannot be reached.
        """
        self.models.get_status(model)
        reason = (body and body.reason) or ""
        rollout = change_rollout(self.plans, model, lambda newest: make(newest, by, self.clock(), reason))
        if rollout.has_ended:
            # at once: the servers record the end of the newest plan only, and another may begin right away
            try:
                record_rollout(self.plans, rollout, self.history)
            except ServicioError as error:
                logger.warning("the end of a rollout of %s is not in its history yet: %s", model, error)
        return self._announce(rollout)

    def _announce(self, rollout: Rollout) -> RolloutInfo:
        self.announce()
        return self._build_info(rollout)

    def _build_info(self, rollout: Rollout) -> RolloutInfo:
        return build_rollout_info(rollout, self.clock())


def build_routes(actions: RolloutActions) -> APIRouter:
    """Build the routes."""
    router = APIRouter(
        prefix="/models/{model}", tags=["rollout"], responses=describe_errors(401, 403, 404, 503)
    )
    _add_read_routes(router, actions)
    _add_start_route(router, actions)
    _add_change_routes(router, actions)
    return router


def _add_read_routes(router: APIRouter, actions: RolloutActions) -> None:
    @router.get("/rollout", summary="Show the newest rollout")
    @require(Access.PREDICT)
    async def get_rollout(model: str) -> RolloutInfo:
        """The evidence of each guardrail is that of the last evaluation."""
        found = await asyncio.to_thread(actions.load, model, 1)
        if not found:
            raise NoSuchModelError(model, "rollout", f"begin one: servicio-ml rollout {model} start")
        return found[0]

    @router.get("/rollouts", summary="List the rollouts", responses=describe_errors(422))
    @require(Access.PREDICT)
    async def list_rollouts(
        model: str, limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = DEFAULT_LISTED
    ) -> RolloutList:
        return RolloutList(model=model, rollouts=await asyncio.to_thread(actions.load, model, limit))


def _add_start_route(router: APIRouter, actions: RolloutActions) -> None:
    @router.post(
        "/rollout", summary="Begin a rollout", responses=describe_errors(400, 409, 413, 422)
    )  # fmt: skip
    @require(Access.ADMIN)
    async def start_rollout(
        model: str, request: Request, body: StartRolloutRequest | None = None
    ) -> RolloutInfo:
        """The challenger, which must load and answer its golden rows first, gets traffic step by step.

        Each step is left by evidence that all guardrails hold; a breach gives the traffic back at once.
        """
        asked = body or StartRolloutRequest()
        return await asyncio.to_thread(actions.start, model, asked, read_author(request))


def _add_change_routes(router: APIRouter, actions: RolloutActions) -> None:
    errors = describe_errors(400, 409, 413, 422)

    @router.post("/rollout/pause", summary="Pause the rollout", responses=errors)
    @require(Access.ADMIN)
    async def pause(model: str, request: Request, body: ChangeRolloutRequest | None = None) -> RolloutInfo:
        """The shares stay; a breach still ends the rollout."""
        return await asyncio.to_thread(actions.change, model, body, read_author(request), pause_rollout)

    @router.post("/rollout/resume", summary="Resume the rollout", responses=errors)
    @require(Access.ADMIN)
    async def resume(model: str, request: Request, body: ChangeRolloutRequest | None = None) -> RolloutInfo:
        """The maximum time of the step begins anew."""
        return await asyncio.to_thread(actions.change, model, body, read_author(request), resume_rollout)

    @router.post("/rollout/abort", summary="Abort the rollout", responses=errors)
    @require(Access.ADMIN)
    async def abort(model: str, request: Request, body: ChangeRolloutRequest | None = None) -> RolloutInfo:
        """The champion answers everything again."""
        return await asyncio.to_thread(actions.change, model, body, read_author(request), abort_rollout)


def _override_ramp(ramp: Ramp, given: RampOverrides) -> Ramp:
    changed = given.list_given()
    if "steps" in changed:
        changed["steps"] = tuple(changed["steps"])
    try:
        return replace(ramp, **changed)
    except UseCaseError as error:
        what, _, remedy = error.problem.partition("; ")
        raise RequestError(f"ramp: {what}", remedy) from error


def _name_version(body: StartRolloutRequest) -> str:
    if body.version is not None and body.alias is not None:
        raise RequestError("version and alias are both given", "send one of them")
    return str(body.version) if body.version is not None else body.alias or CHALLENGER
