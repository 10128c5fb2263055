"""A worker: one process's service from its settings, and its life from start to drain."""

import asyncio
import gc
import logging
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from servicio_ml import bootstrap
from servicio_ml.domain.ports import Journal, ServedRegistry
from servicio_ml.domain.retraining import SECONDS_AN_HOUR, Policy
from servicio_ml.serving import data_page, drift_page, enqueue, graphql, hooks, insight, succession
from servicio_ml.serving.accesslog import AccessLog, JsonFormatter
from servicio_ml.serving.app import application
from servicio_ml.serving.edge import App, Edge
from servicio_ml.serving.keys import Keys, read_keys
from servicio_ml.serving.metrics import Current, Metrics
from servicio_ml.serving.models import Models, Traffic
from servicio_ml.serving.oip import rest as oip
from servicio_ml.serving.predictor import Predictor
from servicio_ml.serving.recorder import LogPolicy, Recorder
from servicio_ml.serving.rest import health_routes, model_routes
from servicio_ml.serving.retraining import Ledger
from servicio_ml.serving.served import loader
from servicio_ml.serving.service import Limits, Service
from servicio_ml.serving.stream import Backlog
from servicio_ml.serving.tally import Tallies
from servicio_ml.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

logger = logging.getLogger(__name__)
LOOK_SECONDS = 0.5
"""Between two looks at the parent, at calls to reload and at what is buffered."""
SEED_BITS = 64
COLLECT_AFTER = 50_000
"""New objects before the collector looks for cycles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the parent gives to each worker.

    Attributes:
        settings: Of the whole server.
        folder: Of the run: metrics, tallies and the registry's socket.
        key: Of that socket.
        parent: Its process id; without it a worker ends.
    """

    settings: Settings
    folder: Path
    key: bytes
    parent: int

    @property
    def socket(self) -> Path:
        """Where the parent's registry answers."""
        return self.folder / "registry.sock"

    @property
    def metrics(self) -> Path:
        """What prometheus_client shares between processes."""
        return self.folder / "metrics"

    @property
    def announced(self) -> Path:
        """A file whose time of change tells every worker to look at the registry."""
        return self.folder / "reload"

    def announce(self) -> None:
        """Tell every worker to look at the registry."""
        self.announced.touch()


def create(plan: Plan) -> App:
    """The ASGI application of a worker."""
    # what is imported stays: looking through it again and again would hold up requests
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    settings = plan.settings
    registry = bootstrap.remote_registry(plan.socket, plan.key)
    tallies, metrics = Tallies(plan.folder / "tallies"), Metrics(CollectorRegistry())
    journal = bootstrap.journal(settings)
    service = build(settings, registry, journal, tallies, metrics)
    broker = bootstrap.broker(settings)
    ledger = decisions(settings, service)
    collectors: list[Collector] = [Current(tallies, service.models, journal.pending), ledger]
    if broker is not None:
        # told here too: with every stream worker dead, only this shows it
        collectors.append(Backlog(broker, service.models))
    log = AccessLog(sys.stdout.buffer)
    bits = random.SystemRandom().getrandbits
    worker = _Worker(plan=plan, service=service, ledger=ledger, journal=journal, tallies=tallies, log=log)

    def scrape() -> bytes:
        worker.note_requests()
        return scraped(plan.metrics, collectors)

    routers = [
        health_routes(service, scrape),
        model_routes(service, registry.note, plan.announce),
        succession.routes(service, bootstrap.remote_records(plan.socket, plan.key), plan.announce),
        insight.routes(service, time.time),
        drift_page.routes(service, lambda: bootstrap.lake(settings)),
        data_page.routes(service, lambda: bootstrap.lake(settings)),
        enqueue.routes(service, broker),
        hooks.routes(ledger, service.models, hook(settings, ledger)),
        graphql.routes(service),
        oip.routes(service, plan.announce),
    ]
    app = application(service, routers, worker.lifespan)
    worker.edge = Edge(app, service, log, random.Random(bits(SEED_BITS)).getrandbits)  # noqa: S311  ids, no secrets
    if not settings.otlp_endpoint:
        return worker.edge
    from servicio_ml.serving.tracing import traced  # noqa: PLC0415  only where it is asked for

    worker.spans = bootstrap.traces(settings)
    return traced(worker.edge, worker.spans.get_tracer("servicio_ml"))


def build(
    settings: Settings, registry: ServedRegistry, journal: Journal, tallies: Tallies, metrics: Metrics
) -> Service:
    """The service of one process, its ports given."""
    names = [name.strip() for name in settings.models.split(",") if name.strip()]
    models = Models(
        registry,
        loader(registry, max_rows=settings.max_rows, tally=tallies.open, now=time.time),
        time.time,
        names=names,
        traffic=Traffic(shadow=settings.shadow_share, canary=settings.canary_share),
        cached=settings.cached_versions,
        failed=lambda model: metrics.load_failures.labels(model).inc(),
    )
    policy = LogPolicy(sampling=settings.log_sampling, drop=settings.log_full == "drop")
    bits = random.Random(random.SystemRandom().getrandbits(SEED_BITS)).getrandbits  # noqa: S311  ids, no secrets
    return Service(
        models=models,
        predictor=Predictor(models, Recorder(journal, metrics, time.time, policy), metrics, time.time, bits),
        log=bootstrap.prediction_log(settings),
        metrics=metrics,
        keys=read_keys(settings.keys_file) if settings.keys_file else Keys(),
        limits=Limits(
            body_bytes=settings.max_body_bytes, rows=settings.max_rows, concurrency=settings.max_concurrency
        ),
        default_model=settings.default_model,
    )


def decisions(settings: Settings, service: Service) -> Ledger:
    """What alerts led to, and may lead to."""
    policy = Policy(
        cooldown_seconds=settings.retraining_cooldown_hours * SECONDS_AN_HOUR,
        monthly_budget=settings.retraining_monthly_budget,
    )
    log = bootstrap.decision_log(settings)
    return Ledger(log, policy, service.models, service.metrics.decisions, time.time)


def hook(settings: Settings, ledger: Ledger) -> hooks.Hook | None:
    """The hook of Alertmanager, None where no token is set."""
    if settings.hook_token_file is None:
        return None
    token = hooks.read_token(settings.hook_token_file)
    return hooks.Hook(token=token, retrainer=bootstrap.retrainer(settings), ledger=ledger)


def scraped(folder: Path, collectors: Sequence[Collector]) -> bytes:
    """The metrics of all processes as text."""
    for path in folder.glob("gauge_live*.db"):
        pid = int(path.stem.rsplit("_", 1)[1])
        if not _alive(pid):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]  # it has no types
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # it has no types
    for each in collectors:
        registry.register(each)
    return generate_latest(registry)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclass(slots=True, kw_only=True)
class _Worker:
    plan: Plan
    service: Service
    ledger: Ledger
    journal: Journal
    tallies: Tallies
    log: AccessLog
    edge: Edge | None = None
    spans: "TracerProvider | None" = None

    def note_requests(self) -> None:
        if self.edge is not None:
            self.edge.requests.flush()
            self.service.metrics.in_progress.set(self.edge.in_hand)

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        ticking = asyncio.create_task(self._tick())
        grpc = None
        settings = self.plan.settings
        if settings.grpc_port:
            from servicio_ml.serving.oip.grpc_server import start  # noqa: PLC0415  only where it is asked for

            grpc = await start(self.service, settings.host, settings.grpc_port, self.plan.announce)
        try:
            yield
        finally:
            if grpc is not None:
                await grpc.stop(settings.drain_seconds)
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
            self.service.predictor.close()
            self.tallies.flush()
            self.journal.close()
            self.log.flush()
            if self.spans is not None:
                self.spans.shutdown()

    async def _tick(self) -> None:
        looked, asked = float("-inf"), 0.0
        while True:
            changed = _changed(self.plan.announced)
            if changed != asked or time.monotonic() - looked >= self.plan.settings.poll_seconds:
                looked, asked = time.monotonic(), changed
                await asyncio.to_thread(self._refresh)
            self.log.flush()
            self.note_requests()
            await asyncio.to_thread(self.tallies.flush)
            if os.getppid() != self.plan.parent:
                logger.error("the parent process is gone; this worker ends")
                signal.raise_signal(signal.SIGTERM)
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _refresh(self) -> None:
        try:
            self.service.models.refresh()
        except Exception:  # whatever it is, the models that are loaded go on answering
            logger.exception("the registry could not be read")
        self.ledger.refresh()


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
