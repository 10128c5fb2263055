"""A service in memory for tests of the interfaces: a small model, its journal and its metrics."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from fakes.registry import MemoryRegistry
from fakes.traffic_plans import MemoryTrafficPlans
from servicio_ml.adapters.prediction_log.scratch_log import ScratchLog
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.serving.http.api_keys import ApiKeys
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models.bin_counts import BinCountsFolder
from servicio_ml.serving.models.isolated.worker_metrics import WorkerMetrics
from servicio_ml.serving.models.loaded_model import build_loader
from servicio_ml.serving.models.model_status import ChallengerTraffic
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.prediction.predictor import Predictor
from servicio_ml.serving.prediction.recorder import LogPolicy, Recorder
from servicio_ml.serving.prediction.service import RequestLimits, Service
from servicio_ml.serving.prediction.state_collector import StateCollector


class ManualClock:
    """A clock that a test moves on."""

    def __init__(self, now: float = 1_600_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFixture:
    """A service with what it is made of.

    `model` is the small model's name; its champion is version 1 and loaded.
    """

    service: Service
    registry: MemoryRegistry
    log: ScratchLog
    metrics: CollectorRegistry
    bin_counts: BinCountsFolder
    clock: ManualClock
    plans: MemoryTrafficPlans
    model: str = "small"

    def promote(self, artifact: Path, alias: str = CHAMPION, tags: Mapping[str, str] | None = None) -> int:
        """Register an artifact, point an alias at it and refresh the models; return the version."""
        version = self.registry.register(self.model, artifact, run_id="run", tags=tags or {}).version
        self.registry.set_alias(self.model, alias, version)
        self.service.models.refresh()
        return version


def create_service(
    folder: Path,
    artifact: Path | None,
    *,
    names: Sequence[str] = (),
    traffic: ChallengerTraffic | None = None,
    policy: LogPolicy | None = None,
    keys: ApiKeys | None = None,
    max_rows: int = 1000,
) -> ServiceFixture:
    """A service; without an artifact nothing is registered yet."""
    watch, log, bin_counts, metrics = (
        ManualClock(),
        ScratchLog(),
        BinCountsFolder(folder / "bin_counts"),
        CollectorRegistry(),
    )
    registry = MemoryRegistry(folder / "registry", watch)
    counters = Metrics(metrics)
    load = build_loader(
        registry,
        max_rows=max_rows,
        open_bin_counts=bin_counts.open,
        open_listener=partial(WorkerMetrics, counters),
        clock=watch,
    )
    plans = MemoryTrafficPlans()
    models = LoadedModels(
        registry, load, watch, names=names, traffic=traffic, cache_size=2,
        load_plan=lambda model: next(iter(plans.load(model)), None),
        on_load_failure=lambda model: counters.load_failures.labels(model).inc(),
    )  # fmt: skip
    metrics.register(StateCollector(bin_counts, models, log.count_pending))
    bits = random.Random(7).getrandbits  # noqa: S311  ids, no secrets
    recorder = Recorder(log, counters, watch, policy or LogPolicy())
    predictor = Predictor(models, recorder, counters, watch, bits)
    service = Service(
        models=models, predictor=predictor, log=log, metrics=counters, keys=keys or ApiKeys(),
        limits=RequestLimits(body_bytes=1 << 20, rows=max_rows, concurrency=64), default_model="small",
    )  # fmt: skip
    made = ServiceFixture(
        service=service,
        registry=registry,
        log=log,
        metrics=metrics,
        bin_counts=bin_counts,
        clock=watch,
        plans=plans,
    )
    if artifact is not None:
        made.promote(artifact)
    return made
