"""Other services: metrics, traces, streams, reports and the server that training notifies."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from servicio_ml.adapters.statsd import NoStats, create_statsd_stats
from servicio_ml.domain.ports.broker import Broker
from servicio_ml.domain.ports.metrics_history import MetricsHistory
from servicio_ml.domain.ports.progress import Progress
from servicio_ml.domain.ports.stats import Stats
from servicio_ml.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from rich.console import Console

    from servicio_ml.adapters.api_server import ApiServer
    from servicio_ml.features.comparison import RenderPage

# one poll may just have passed, and a first version also has to be downloaded and loaded
RELOAD_POLLS = 3
"""Polls that a server may need to learn of a model with its first champion."""


def create_progress(console: "Console | None") -> Progress:
    """Progress on a console; shown nowhere without one."""
    from servicio_ml.adapters.console import ConsoleProgress, SilentProgress

    # a null object, so that no step has to ask whether somebody is watching
    return SilentProgress() if console is None else ConsoleProgress(console)


def create_stats(settings: Settings) -> Stats:
    """Create the step metrics: StatsD if a host is set, otherwise none."""
    return (
        create_statsd_stats(settings.statsd_host, settings.statsd_port) if settings.statsd_host else NoStats()
    )


def load_explainer() -> "RenderPage":
    """Load the function that renders the page of a drift report."""
    from servicio_ml.adapters.evidently import render_page

    return render_page


def create_tracer_provider(settings: Settings) -> "TracerProvider":
    """Create the provider that sends spans to a collector."""
    from servicio_ml.adapters.otel import create_tracer_provider

    return create_tracer_provider(settings.otlp_endpoint)


def open_metrics_history() -> AbstractContextManager[MetricsHistory]:
    """Open an empty metrics history in a Prometheus of its own."""
    from servicio_ml.adapters.prometheus import open_prometheus_history

    return open_prometheus_history()


def connect_api_server(settings: Settings) -> "ApiServer | None":
    """Connect to the server that training notifies of a new champion; None if none is set."""
    if not settings.api_url:
        return None
    from servicio_ml.adapters.api_server import ApiServer

    # derived from the poll interval, which both sides read from the same settings
    timeout_seconds = RELOAD_POLLS * settings.poll_seconds
    return ApiServer(settings.api_url, settings.api_key_file, timeout_seconds)


def connect_broker(settings: Settings) -> Broker | None:
    """Connect to the streams in Redis or Valkey; None if none is set."""
    if not settings.redis_url:
        return None
    from servicio_ml.adapters.redis_broker import RedisBroker

    return RedisBroker(settings.redis_url)
