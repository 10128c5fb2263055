"""A worker process: its service, its application, start and drain."""

import asyncio
import gc
import logging
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from servicio_ml import bootstrap
from servicio_ml.api.memory import trim_memory
from servicio_ml.api.metrics_endpoint import render_metrics
from servicio_ml.api.routers import RouterPorts, build_routers
from servicio_ml.api.service import (
    SEED_BITS,
    build_acknowledgements,
    build_decisions,
    build_follower,
    build_hook,
    build_rollout_cycle,
    build_service,
)
from servicio_ml.api.worker_plan import WorkerPlan
from servicio_ml.domain.ports.journal import Journal
from servicio_ml.domain.ports.registry import RegistryReader
from servicio_ml.errors import ServicioError
from servicio_ml.lifecycle.model_history_reader import ModelHistoryReader
from servicio_ml.lifecycle.step_times import ReadStepTimes, read_step_times
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.http.access_log import AccessLog, JsonFormatter
from servicio_ml.serving.http.asgi import AsgiApp
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models.bin_counts import BinCountsFolder
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.prediction.state_collector import StateCollector
from servicio_ml.serving.retraining.acknowledgements import Acknowledgements
from servicio_ml.serving.retraining.decisions import RetrainingDecisions
from servicio_ml.serving.retraining.follower import RetrainingFollower
from servicio_ml.serving.rollout.collector import RolloutCollector
from servicio_ml.serving.rollout.cycle import RolloutCycle
from servicio_ml.serving.step_times import StepTimesCollector
from servicio_ml.serving.stream.lag import StreamLagCollector
from servicio_ml.settings import Settings
from servicio_ml.use_cases.catalogue import UserFolder

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

logger = logging.getLogger(__name__)
TICK_SECONDS = 0.5
"""Interval of checking the parent and reload requests, and of flushing buffers."""
MAX_FIRST_REFRESH_SECONDS = 10.0
"""Maximum wait for the models when a worker starts: without MLflow it must still report that it lives."""
GC_THRESHOLD = 50_000
"""Number of new objects that triggers a garbage collection."""
SWITCH_SECONDS = 0.0005
"""Time that a thread may hold the interpreter while the event loop waits for it; Python's default is 5 ms."""


def build_worker_app(plan: WorkerPlan) -> AsgiApp:
    """Build the ASGI application of a worker."""
    # imported objects stay alive: collecting through them again and again would delay requests
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    sys.setswitchinterval(SWITCH_SECONDS)
    _init_logging()
    bootstrap.use_environments(plan.settings)
    registry = bootstrap.connect_registry(plan.socket, plan.key)
    history = bootstrap.connect_model_history(plan.socket, plan.key)
    bin_counts, metrics = BinCountsFolder(plan.folder / "bin_counts"), Metrics(CollectorRegistry())
    journal = bootstrap.open_journal(plan.settings)
    plans = bootstrap.open_traffic_plans(plan.settings)
    service = build_service(plan.settings, registry, journal, bin_counts, metrics, plans)
    decisions = build_decisions(plan.settings, service)
    worker = _Worker(
        plan=plan, service=service, history=history, decisions=decisions,
        follower=build_follower(plan.settings, decisions, history),
        acknowledgements=build_acknowledgements(plan.settings, service),
        rollouts=build_rollout_cycle(plan.settings, service, plans, history), journal=journal,
        bin_counts=bin_counts, log=AccessLog(sys.stdout.buffer),
    )  # fmt: skip
    app = build_app(service, build_routers(service, _build_ports(worker, registry)), worker.run_lifespan)
    seed = random.SystemRandom().getrandbits(SEED_BITS)
    worker.gateway = Gateway(app, service, worker.log, random.Random(seed).getrandbits)  # noqa: S311  ids, no secrets
    return _start_tracing(worker, worker.gateway)


def _init_logging() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


def _build_ports(worker: "_Worker", registry: RegistryReader) -> RouterPorts:
    """Build what the routes use besides the service."""
    plan, broker = worker.plan, bootstrap.connect_broker(worker.plan.settings)
    collectors: list[Collector] = [
        StateCollector(worker.bin_counts, worker.service.models, worker.journal.count_pending),
        worker.decisions,
        worker.acknowledgements,
        RolloutCollector(worker.service.models, time.time),
        StepTimesCollector(worker.service.models, _build_step_times(plan.settings, registry), time.time),
    ]
    if broker is not None:
        # exported here too: with every stream worker dead, only this shows the backlog
        collectors.append(StreamLagCollector(broker, worker.service.models))

    def scrape() -> bytes:
        worker.flush_request_counts()
        return render_metrics(plan.metrics, collectors)

    return RouterPorts(
        history=worker.history, set_tag=registry.set_model_tag,
        announce=plan.announce, open_lake=lambda: bootstrap.open_lake(plan.settings), broker=broker,
        decisions=worker.decisions, acknowledgements=worker.acknowledgements,
        plans=bootstrap.open_traffic_plans(plan.settings), lead_seconds=plan.settings.lead_seconds,
        hook=build_hook(plan.settings, worker.decisions), scrape=scrape,
        use_cases=UserFolder(plan.settings.use_cases_dir), drafter=bootstrap.create_drafter(plan.settings),
    )  # fmt: skip


def _build_step_times(settings: Settings, registry: RegistryReader) -> ReadStepTimes:
    """Build what reads the times of the pipeline steps."""

    def read_times(use_case: str) -> Mapping[str, float]:
        # opened anew: a remote lake deletes the files that it has fetched when it is dropped
        return read_step_times(bootstrap.open_lake(settings), registry, use_case)

    return read_times


def _start_tracing(worker: "_Worker", gateway: Gateway) -> AsgiApp:
    """Wrap the gateway in the tracing of its calls, where an address for traces is set."""
    if not worker.plan.settings.otlp_endpoint:
        return gateway
    from servicio_ml.serving.tracing import add_tracing  # noqa: PLC0415  only where it is set

    worker.tracer_provider = bootstrap.create_tracer_provider(worker.plan.settings)
    return add_tracing(gateway, worker.tracer_provider.get_tracer("servicio_ml"))


@dataclass(slots=True, kw_only=True)
class _Worker:
    plan: WorkerPlan
    service: Service
    history: ModelHistoryReader
    decisions: RetrainingDecisions
    follower: RetrainingFollower | None
    acknowledgements: Acknowledgements
    rollouts: RolloutCycle
    journal: Journal
    bin_counts: BinCountsFolder
    log: AccessLog
    gateway: Gateway | None = None
    tracer_provider: "TracerProvider | None" = None
    refreshed: asyncio.Event = field(default_factory=asyncio.Event)
    recorded_champions: dict[str, int] = field(default_factory=dict)

    def flush_request_counts(self) -> None:
        if self.gateway is not None:
            self.gateway.request_counts.flush()
            self.service.metrics.in_progress.set(self.gateway.in_flight)

    @asynccontextmanager
    async def run_lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        plans = [self._follow_plans(self.rollouts.run), self._follow_plans(self.service.models.refresh_plans)]
        tasks = [asyncio.create_task(each) for each in (self._refresh_forever(), self._tick(), *plans)]
        # a worker that replaces a dead one takes no request before it can answer
        await asyncio.wait({asyncio.ensure_future(self.refreshed.wait())}, timeout=MAX_FIRST_REFRESH_SECONDS)
        grpc = None
        settings = self.plan.settings
        if settings.grpc_port:
            from servicio_ml.serving.oip.grpc_server import start_grpc_server  # noqa: PLC0415  only where it is set

            grpc = await start_grpc_server(
                self.service,
                settings.host,
                settings.grpc_port,
                self.plan.announce,
                ping_seconds=settings.grpc_ping_seconds,
            )
        try:
            yield
        finally:
            if grpc is not None:
                await grpc.stop(settings.drain_seconds)
            for each in tasks:
                each.cancel()
                with suppress(asyncio.CancelledError):
                    await each
            self.service.predictor.close()
            self.bin_counts.flush()
            self.journal.close()
            self.log.flush()
            if self.tracer_provider is not None:
                self.tracer_provider.shutdown()

    async def _refresh_forever(self) -> None:
        # a task of its own: a registry that hangs must not hold up the log lines and counts of `_tick`
        refreshed_at, reloaded_at = float("-inf"), 0.0
        while True:
            modified_at = _read_mtime(self.plan.reload_file)
            if (
                modified_at != reloaded_at
                or time.monotonic() - refreshed_at >= self.plan.settings.poll_seconds
            ):
                if modified_at != reloaded_at:
                    # a champion may have been another one since, and be so again
                    self.recorded_champions.clear()
                refreshed_at, reloaded_at = time.monotonic(), modified_at
                await asyncio.to_thread(self._refresh)
                self.refreshed.set()
                await asyncio.to_thread(self._record_outside_moves)
            await asyncio.sleep(TICK_SECONDS)

    async def _follow_plans(self, work: Callable[[], bool]) -> None:
        """Repeat work that returns whether a traffic plan has changed."""
        # tasks of their own: neither a registry that hangs nor an evaluation must hold up a rollback
        await self.refreshed.wait()
        while True:
            try:
                if await asyncio.to_thread(work):
                    # the other workers of this server hear of it, too, and versions are loaded
                    self.plan.announce()
            except Exception:  # the work goes on after any error
                logger.exception("the traffic plans were not looked after")
            await asyncio.sleep(self.plan.settings.poll_seconds)

    async def _tick(self) -> None:
        seen = trimmed = 0
        while True:
            try:
                large = self.service.predictor.finished_large_requests
                # not in the midst of several: what the next one needs is not given back
                if trimmed != large == seen:
                    trimmed = large
                    await asyncio.to_thread(trim_memory)
                seen = large
                self.log.flush()
                self.flush_request_counts()
                await asyncio.to_thread(self.bin_counts.flush)
            except OSError:  # a full disk must not end the ticks
                logger.exception("log lines or counts could not be written; tried again")
            if os.getppid() != self.plan.parent:
                logger.error("the parent process is gone; this worker stops")
                signal.raise_signal(signal.SIGTERM)
                return
            await asyncio.sleep(TICK_SECONDS)

    def _refresh(self) -> None:
        try:
            self.service.models.refresh()
        except Exception:  # the loaded models go on answering after any error
            logger.exception("the registry could not be read")
        self.decisions.refresh()
        if self.follower is not None:
            self.follower.follow()
        self.acknowledgements.refresh()

    def _record_outside_moves(self) -> None:
        """Have the champions recorded that no decision named; each version is looked up once."""
        for champion in self.service.models.list_champions():
            name, version = champion.model, champion.version
            if self.recorded_champions.get(name) == version:
                continue
            try:
                self.history.record_outside_move(name)
            except ServicioError as error:
                logger.warning("the champion of %s was not compared with its decisions: %s", name, error)
            else:
                self.recorded_champions[name] = version


def _read_mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
