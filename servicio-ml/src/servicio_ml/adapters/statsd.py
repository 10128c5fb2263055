"""StatsD: counters, gauges and timings of pipeline steps over UDP."""

import logging
from contextlib import AbstractContextManager, nullcontext
from weakref import finalize

from statsd import StatsClient

from servicio_ml.domain.ports.stats import Stats

logger = logging.getLogger(__name__)
METRIC_PREFIX = "servicio_ml"
MILLISECONDS = 1000


class StatsdStats:
    """Sends to a StatsD server; a lost datagram is no error."""

    def __init__(self, host: str, port: int) -> None:
        self._client = StatsClient(host, port, prefix=METRIC_PREFIX)
        finalize(self, self._client.close)  # an unclosed socket raises a ResourceWarning

    def count(self, name: str, value: int = 1) -> None:
        self._client.incr(name, value)

    def set_gauge(self, name: str, value: float) -> None:
        self._client.gauge(name, value)

    def time(self, name: str) -> AbstractContextManager[None]:
        timer: AbstractContextManager[None] = self._client.timer(name)
        return timer

    def add_timing(self, name: str, seconds: float) -> None:
        self._client.timing(name, seconds * MILLISECONDS)


class NoStats:
    """Sends nothing."""

    def count(self, name: str, value: int = 1) -> None:
        """Nothing is sent."""

    def set_gauge(self, name: str, value: float) -> None:
        """Nothing is sent."""

    def time(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002  the port's parameters
        return nullcontext()

    def add_timing(self, name: str, seconds: float) -> None:
        """Nothing is sent."""


def create_statsd_stats(host: str, port: int) -> Stats:
    """Create the client of a server; an unknown host name, as of a stopped container, sends nothing."""
    try:
        return StatsdStats(host, port)
    # metrics must not make a command fail
    except OSError as error:
        logger.warning("this command sends no metrics: STATSD_HOST %s: %s", host, error)
        return NoStats()
