"""The service of a process, built from its settings and ports."""

import random
import time
from functools import partial

from servicio_ml import bootstrap
from servicio_ml.domain.ports.journal import Journal
from servicio_ml.domain.ports.registry import RegistryReader
from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.domain.retraining import SECONDS_PER_HOUR
from servicio_ml.lifecycle.experiments.maintainer import ExperimentMaintainer
from servicio_ml.lifecycle.model_history_reader import ModelHistoryReader
from servicio_ml.lifecycle.retraining_policy import RetrainingPolicy
from servicio_ml.lifecycle.rollout.maintainer import RolloutMaintainer
from servicio_ml.serving.experiments.outcomes import OutcomeReader
from servicio_ml.serving.http.api_keys import ApiKeys, read_keys
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models.bin_counts import BinCountsFolder
from servicio_ml.serving.models.isolated.worker_metrics import WorkerMetrics
from servicio_ml.serving.models.loaded_model import build_loader
from servicio_ml.serving.models.model_status import ChallengerTraffic
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.prediction.predictor import Predictor
from servicio_ml.serving.prediction.recorder import LogPolicy, Recorder
from servicio_ml.serving.prediction.service import RequestLimits, Service
from servicio_ml.serving.retraining.acknowledgements import Acknowledgements
from servicio_ml.serving.retraining.decisions import RetrainingDecisions
from servicio_ml.serving.retraining.follower import RetrainingFollower
from servicio_ml.serving.retraining.hook import AlertHook, read_token
from servicio_ml.serving.rollout.cycle import CountSaver, RolloutCycle
from servicio_ml.serving.rollout.losses import LossReader
from servicio_ml.settings import Settings

SEED_BITS = 64


def build_service(
    settings: Settings,
    registry: RegistryReader,
    journal: Journal,
    bin_counts: BinCountsFolder,
    metrics: Metrics,
    plans: TrafficPlanStore,
) -> Service:
    """Build the service of one process from its ports."""
    # an empty setting gives no names, which means every model with a champion
    names = [name.strip() for name in settings.models.split(",") if name.strip()]
    models = LoadedModels(
        registry,
        build_loader(
            registry,
            max_rows=settings.max_rows,
            open_bin_counts=bin_counts.open,
            open_listener=partial(WorkerMetrics, metrics),
            clock=time.time,
        ),
        time.time,
        names=names,
        traffic=ChallengerTraffic(shadow=settings.shadow_share, canary=settings.canary_share),
        load_plan=lambda model: next(iter(plans.load(model)), None),
        cache_size=settings.cached_versions,
        on_load_failure=lambda model: metrics.load_failures.labels(model).inc(),
    )
    policy = LogPolicy(sampling=settings.log_sampling, drop=settings.log_full == "drop")
    # seeded by the system: two workers must never draw the same ids
    bits = random.Random(random.SystemRandom().getrandbits(SEED_BITS)).getrandbits  # noqa: S311  ids, no secrets
    return Service(
        models=models,
        predictor=Predictor(models, Recorder(journal, metrics, time.time, policy), metrics, time.time, bits),
        log=bootstrap.open_prediction_log(settings),
        metrics=metrics,
        keys=read_keys(settings.keys_file) if settings.keys_file else ApiKeys(),
        limits=RequestLimits(
            body_bytes=settings.max_body_bytes, rows=settings.max_rows, concurrency=settings.max_concurrency
        ),
        default_model=settings.default_model,
    )


def build_decisions(settings: Settings, service: Service) -> RetrainingDecisions:
    """Build the retraining decisions of this process."""
    policy = RetrainingPolicy(
        cooldown_seconds=settings.retraining_cooldown_hours * SECONDS_PER_HOUR,
        monthly_budget=settings.retraining_monthly_budget,
    )
    log = bootstrap.open_decision_log(settings)
    return RetrainingDecisions(log, policy, service.models, service.metrics.retraining_decisions, time.time)


def build_rollout_cycle(
    settings: Settings, service: Service, plans: TrafficPlanStore, history: ModelHistoryReader
) -> RolloutCycle:
    """Build the regular work for rollouts and experiments."""
    judge_seconds, lead_seconds = settings.poll_seconds, settings.lead_seconds
    rollouts = RolloutMaintainer(
        plans, history, LossReader(service.log, service.models).read_losses, time.time,
        judge_seconds=judge_seconds, lead_seconds=lead_seconds,
    )  # fmt: skip
    experiments = ExperimentMaintainer(
        plans, OutcomeReader(service.log, service.models).read_outcomes, time.time,
        judge_seconds=judge_seconds, lead_seconds=lead_seconds,
    )  # fmt: skip
    saver = CountSaver(plans, service.predictor.arm_counter)
    return RolloutCycle(service.models, saver, rollouts, experiments)


def build_acknowledgements(settings: Settings, service: Service) -> Acknowledgements:
    """Build the acknowledged drift of this process."""
    return Acknowledgements(bootstrap.open_decision_log(settings), service.log, service.models, time.time)


def build_hook(settings: Settings, decisions: RetrainingDecisions) -> AlertHook | None:
    """Build the hook of Alertmanager; None without a token."""
    if settings.hook_token_file is None:
        return None
    token = read_token(settings.hook_token_file)
    return AlertHook(token=token, retrainer=bootstrap.create_retrainer(settings), decisions=decisions)


def build_follower(
    settings: Settings, decisions: RetrainingDecisions, history: ModelHistoryReader
) -> RetrainingFollower | None:
    """Build what records the ends of retrainings; None where alerts start none."""
    if settings.hook_token_file is None:
        return None
    return RetrainingFollower(decisions, bootstrap.create_retrainer(settings), history)
