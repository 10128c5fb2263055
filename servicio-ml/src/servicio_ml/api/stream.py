"""The process of a stream worker: its service, its metrics, start and stop."""

import logging
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server

from servicio_ml import bootstrap
from servicio_ml.api.run_folder import create_run_folder
from servicio_ml.api.service import build_service
from servicio_ml.domain.ports.broker import Broker
from servicio_ml.errors import SettingsError
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models.bin_counts import BinCountsFolder
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.prediction.state_collector import StateCollector
from servicio_ml.serving.rollout.cycle import CountSaver
from servicio_ml.serving.stream.lag import StreamLagCollector
from servicio_ml.serving.stream.worker import StreamWorker
from servicio_ml.settings import Settings, get_variable

logger = logging.getLogger(__name__)
KEY_BYTES = 32
LOG_FORMAT = "%(asctime)s %(message)s"
SHARED_JOURNAL = "stream"
"""Name of the journal that all stream workers of a machine share: each finds what another has logged."""


def run_worker(settings: Settings, *, metrics_port: int, claim_after_seconds: float) -> None:
    """Score the requests of the streams until a signal stops the process.

    Args:
        settings: Settings of the process.
        metrics_port: Port of the metrics; 0 for none.
        claim_after_seconds: Idle time after which a request of another worker is claimed.

    Raises:
        SettingsError: No broker is set, or the port is taken.
        JournalError: The journal cannot be opened.
    """
    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT)
    # the worker's line for each batch, without those of the libraries
    logging.getLogger(StreamWorker.__module__).setLevel(logging.INFO)
    broker = connect_broker(settings)
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    try:
        with create_run_folder() as folder:
            _run_worker(settings, broker, folder, stop, metrics_port, claim_after_seconds)
    finally:
        broker.close()


def connect_broker(settings: Settings) -> Broker:
    """Connect to the broker.

    Raises:
        SettingsError: No broker is set.
    """
    broker = bootstrap.connect_broker(settings)
    if broker is None:
        problem = "it is empty; give the address of Redis or Valkey, such as redis://127.0.0.1:6379/0"
        raise SettingsError(get_variable("redis_url"), problem)
    return broker


def _run_worker(
    settings: Settings, broker: Broker, folder: Path, stop: threading.Event,
    metrics_port: int, claim_after_seconds: float,
) -> None:  # fmt: skip
    key = secrets.token_bytes(KEY_BYTES)
    # connects at the first refresh, and retries while MLflow is down
    link = bootstrap.create_registry_link(settings, folder / "registry.sock", key)
    registry = bootstrap.connect_registry(folder / "registry.sock", key)
    prometheus, bin_counts = CollectorRegistry(), BinCountsFolder(folder / "bin_counts")
    journal = bootstrap.open_journal(settings, shared=SHARED_JOURNAL)
    plans = bootstrap.open_traffic_plans(settings)
    service = build_service(settings, registry, journal, bin_counts, Metrics(prometheus), plans)
    saver = CountSaver(plans, service.predictor.arm_counter)
    prometheus.register(StateCollector(bin_counts, service.models, journal.count_pending))
    prometheus.register(StreamLagCollector(broker, service.models))
    try:
        with (
            _serve_metrics(settings.host, metrics_port, prometheus),
            _refresh_in_background(service.models, saver, settings, stop),
        ):
            StreamWorker(service, broker, claim_after_seconds=claim_after_seconds).run(stop)
    finally:
        service.predictor.close()
        bin_counts.flush()
        journal.close()
        link.close()


@contextmanager
def _serve_metrics(host: str, port: int, registry: CollectorRegistry) -> Iterator[None]:
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
def _refresh_in_background(
    models: LoadedModels, saver: CountSaver, settings: Settings, stop: threading.Event
) -> Iterator[None]:
    """Refresh the models, and save counts of rollouts, in the background until the stop event."""

    def refresh() -> None:
        while True:
            try:
                models.refresh()
                saver.save()
            except Exception:  # the loaded models go on answering after any error
                logger.exception("the registry could not be read")
            if stop.wait(settings.poll_seconds):
                return

    # a thread, as the worker itself blocks on the broker
    thread = threading.Thread(target=refresh, name="champions")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
