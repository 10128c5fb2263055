"""StatsD: counts, gauges and timings of pipeline steps, by UDP."""

import logging
from contextlib import AbstractContextManager, nullcontext
from weakref import finalize

from statsd import StatsClient

from servicio_ml.domain.ports import Stats

logger = logging.getLogger(__name__)
METRIC_PREFIX = "servicio_ml"
MILLISECONDS = 1000


class StatsdStats:
    """Sends to a StatsD server; a lost datagram is no error."""

    def __init__(self, host: str, port: int) -> None:
        self._client = StatsClient(host, port, prefix=METRIC_PREFIX)
        finalize(self, self._client.close)  # its socket warns when nobody closes it

    def count(self, name: str, value: int = 1) -> None:
        self._client.incr(name, value)

    def gauge(self, name: str, value: float) -> None:
        self._client.gauge(name, value)

    def timer(self, name: str) -> AbstractContextManager[None]:
        timer: AbstractContextManager[None] = self._client.timer(name)
        return timer

    def timing(self, name: str, seconds: float) -> None:
        self._client.timing(name, seconds * MILLISECONDS)


class NoStats:
    """Sends nothing."""

    def count(self, name: str, value: int = 1) -> None:
        """Nothing is sent."""

    def gauge(self, name: str, value: float) -> None:
        """Nothing is sent."""

    def timer(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002  the port's parameters
        return nullcontext()

    def timing(self, name: str, seconds: float) -> None:
        """Nothing is sent."""


def statsd_stats(host: str, port: int) -> Stats:
    """Sends to a server; that its name is unknown, as a container's is while it is down, is no error."""
    try:
        return StatsdStats(host, port)
    except OSError as error:
        logger.warning("no metrics of this command: STATSD_HOST %s: %s", host, error)
        return NoStats()
