"""A service in memory for tests of the interfaces: a small model, its journal and its metrics."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from servicio_ml.adapters.memory import MemoryRegistry
from servicio_ml.adapters.memory_log import MemoryLog
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.serving.keys import Keys
from servicio_ml.serving.metrics import Current, Metrics
from servicio_ml.serving.models import Models, Traffic
from servicio_ml.serving.predictor import Predictor
from servicio_ml.serving.recorder import LogPolicy, Recorder
from servicio_ml.serving.served import loader
from servicio_ml.serving.service import Limits, Service
from servicio_ml.serving.tally import Tallies


class Watch:
    """A clock that a test moves on."""

    def __init__(self, now: float = 1_600_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A service with what it is made of.

    `model` is the small model's name; its champion is version 1 and loaded.
    """

    service: Service
    registry: MemoryRegistry
    log: MemoryLog
    metrics: CollectorRegistry
    tallies: Tallies
    watch: Watch
    model: str = "small"

    def promote(self, artifact: Path, alias: str = CHAMPION) -> int:
        """Register an artifact, point an alias at it and look again; gives the version."""
        version = self.registry.register(self.model, artifact, run_id="run", tags={}).version
        self.registry.point(self.model, alias, version)
        self.service.models.refresh()
        return version


def bench(
    folder: Path, artifact: Path | None, *, names: Sequence[str] = (), traffic: Traffic | None = None,
    policy: LogPolicy | None = None, keys: Keys | None = None, max_rows: int = 1000,
) -> Bench:  # fmt: skip
    """A service; without an artifact nothing is registered yet."""
    watch, log, tallies, metrics = Watch(), MemoryLog(), Tallies(folder / "tallies"), CollectorRegistry()
    registry = MemoryRegistry(folder / "registry", watch)
    counters = Metrics(metrics)
    load = loader(registry, max_rows=max_rows, tally=tallies.open, now=watch)
    models = Models(
        registry, load, watch, names=names, traffic=traffic, cached=2,
        failed=lambda model: counters.load_failures.labels(model).inc(),
    )  # fmt: skip
    metrics.register(Current(tallies, models, log.pending))
    bits = random.Random(7).getrandbits  # noqa: S311  ids, no secrets
    recorder = Recorder(log, counters, watch, policy or LogPolicy())
    predictor = Predictor(models, recorder, counters, watch, bits)
    service = Service(
        models=models, predictor=predictor, log=log, metrics=counters, keys=keys or Keys(),
        limits=Limits(body_bytes=1 << 20, rows=max_rows, concurrency=64), default_model="small",
    )  # fmt: skip
    made = Bench(service=service, registry=registry, log=log, metrics=metrics, tallies=tallies, watch=watch)
    if artifact is not None:
        made.promote(artifact)
    return made
