"""Every router of the HTTP API."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter

from servicio_ml.domain.ports.broker import Broker
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.domain.ports.use_case_drafter import UseCaseDrafter
from servicio_ml.lifecycle.model_history_reader import ModelHistoryReader
from servicio_ml.serving.drafting import routes as drafting
from servicio_ml.serving.experiments import routes as experiments
from servicio_ml.serving.experiments.routes import ExperimentActions
from servicio_ml.serving.graphql import schema as graphql
from servicio_ml.serving.http.health import build_health_routes
from servicio_ml.serving.oip import rest as oip
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.rest import (
    alertmanager,
    champions,
    data,
    drift,
    drift_report,
    enqueue,
    explain,
    feedback,
    predictions,
    what_if,
)
from servicio_ml.serving.rest.models import build_model_routes
from servicio_ml.serving.retraining import acknowledgement_routes as acknowledgements
from servicio_ml.serving.retraining import routes as retraining
from servicio_ml.serving.retraining.acknowledgements import Acknowledgements
from servicio_ml.serving.retraining.decisions import RetrainingDecisions
from servicio_ml.serving.retraining.hook import AlertHook
from servicio_ml.serving.rollout import routes as rollout
from servicio_ml.serving.rollout.routes import RolloutActions
from servicio_ml.use_cases.catalogue import UserFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterPorts:
    """Ports and callbacks of the routers besides the service.

    Attributes:
        history: Decisions, candidates, cards and pictures from the registry and its runs.
        set_tag: Sets a tag of a registered model.
        announce: Makes the other processes refresh their models.
        open_lake: Opens the lake.
        broker: Broker of the streams; None without one.
        decisions: Retraining decisions.
        acknowledgements: Acknowledged drift.
        plans: Traffic plans.
        lead_seconds: Time in which all replicas hear of new shares.
        hook: Hook of Alertmanager; None without a token.
        scrape: Returns the metrics of all processes as text.
        use_cases: Folder of the user's use cases.
        drafter: Drafter of new use cases.
    """

    history: ModelHistoryReader
    set_tag: Callable[[str, str, str], None]
    announce: Callable[[], None]
    open_lake: Callable[[], ObjectStore]
    broker: Broker | None
    decisions: RetrainingDecisions
    acknowledgements: Acknowledgements
    plans: TrafficPlanStore
    lead_seconds: float
    hook: AlertHook | None
    scrape: Callable[[], bytes]
    use_cases: UserFolder
    drafter: UseCaseDrafter


def build_routers(service: Service, ports: RouterPorts) -> Sequence[APIRouter]:
    """Build every router; the gateway itself answers the predictions."""
    # the order is that of the OpenAPI document, and so of the page /docs
    return (
        build_health_routes(service, ports.scrape, ports.use_cases.list_titles),
        build_model_routes(
            service, ports.set_tag, ports.announce, ports.use_cases.find_broken_files, ports.plans
        ),
        champions.build_routes(service, ports.history, ports.announce),
        experiments.build_routes(
            ExperimentActions(
                service=service,
                plans=ports.plans,
                announce=ports.announce,
                clock=time.time,
                lead_seconds=ports.lead_seconds,
            )
        ),
        rollout.build_routes(
            RolloutActions(
                models=service.models,
                plans=ports.plans,
                find_ramp=ports.use_cases.find_ramp,
                announce=ports.announce,
                clock=time.time,
                history=ports.history,
            )
        ),
        explain.build_routes(service),
        what_if.build_routes(service),
        feedback.build_routes(service, time.time),
        predictions.build_routes(service, time.time),
        drift.build_routes(service, time.time),
        drift_report.build_routes(service, ports.open_lake),
        data.build_routes(service, ports.open_lake, ports.use_cases.list_titles),
        drafting.build_routes(ports.drafter, service.limits.body_bytes),
        enqueue.build_routes(service, ports.broker),
        alertmanager.build_routes(ports.hook),
        retraining.build_routes(ports.decisions, ports.acknowledgements, service.models),
        acknowledgements.build_routes(ports.acknowledgements, service),
        graphql.build_routes(service),
        oip.build_routes(service, ports.announce),
    )
