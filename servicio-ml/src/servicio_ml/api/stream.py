"""The process of a stream worker: its service, its metrics, and its life from start to stop."""

import logging
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server

from servicio_ml import bootstrap
from servicio_ml.api.run_folder import run_folder
from servicio_ml.api.worker import build
from servicio_ml.domain.ports import Broker
from servicio_ml.errors import SettingsError
from servicio_ml.serving.metrics import Current, Metrics
from servicio_ml.serving.models import Models
from servicio_ml.serving.stream import Backlog, StreamWorker
from servicio_ml.serving.tally import Tallies
from servicio_ml.settings import Settings, variable

logger = logging.getLogger(__name__)
KEY_BYTES = 32
SHARED = "stream"
"""The journal that all stream workers of a machine write: what one has logged, another finds."""


def work(settings: Settings, *, metrics_port: int, claim_after_seconds: float) -> None:
    """Answer the requests of the streams until a signal says stop.

    Args:
        settings: Of the process.
        metrics_port: Where the metrics are scraped; 0 for nowhere.
        claim_after_seconds: Age from which a request that another worker was handed is taken over.

    Raises:
        SettingsError: No broker is set, or the port is taken.
        JournalError: The journal cannot be opened.
    """
    broker = connected(settings)
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    try:
        with run_folder() as folder:
            _work(settings, broker, folder, stop, metrics_port, claim_after_seconds)
    finally:
        broker.close()


def connected(settings: Settings) -> Broker:
    """The broker.

    Raises:
        SettingsError: None is set.
    """
    broker = bootstrap.broker(settings)
    if broker is None:
        problem = "it is empty; give the address of Redis or Valkey, such as redis://127.0.0.1:6379/0"
        raise SettingsError(variable("redis_url"), problem)
    return broker


def _work(
    settings: Settings, broker: Broker, folder: Path, stop: threading.Event,
    metrics_port: int, claim_after_seconds: float,
) -> None:  # fmt: skip
    key = secrets.token_bytes(KEY_BYTES)
    # opened with the first look and tried again while MLflow is down
    link = bootstrap.registry_link(settings, folder / "registry.sock", key)
    registry = bootstrap.remote_registry(folder / "registry.sock", key)
    prometheus, tallies = CollectorRegistry(), Tallies(folder / "tallies")
    journal = bootstrap.journal(settings, shared=SHARED)
    service = build(settings, registry, journal, tallies, Metrics(prometheus))
    prometheus.register(Current(tallies, service.models, journal.pending))
    prometheus.register(Backlog(broker, service.models))
    try:
        with _scraped(settings.host, metrics_port, prometheus), _refreshed(service.models, settings, stop):
            StreamWorker(service, broker, claim_after_seconds=claim_after_seconds).run(stop)
    finally:
        service.predictor.close()
        tallies.flush()
        journal.close()
        link.close()


@contextmanager
def _scraped(host: str, port: int, registry: CollectorRegistry) -> Iterator[None]:
    if not port:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise SettingsError("--metrics-port", f"{port} on {host}: {error}; choose another") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _refreshed(models: Models, settings: Settings, stop: threading.Event) -> Iterator[None]:
    """Look for new champions in the background until told to stop."""

    def look() -> None:
        while True:
            try:
                models.refresh()
            except Exception:  # whatever it is, the models that are loaded go on answering
                logger.exception("the registry could not be read")
            if stop.wait(settings.poll_seconds):
                return

    thread = threading.Thread(target=look, name="champions")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
