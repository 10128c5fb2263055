"""One contract for the stats in memory, those of a StatsD server and the null object without one."""

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from fakes.stats import MemoryStats
from servicio_ml import bootstrap
from servicio_ml.domain.ports.stats import Stats
from servicio_ml.settings import Settings

DATAGRAM_BYTES = 512
PATIENCE_SECONDS = 5.0
MILLISECONDS = 1000
Received = Mapping[str, float]
"""Metric to its value; durations in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsFixture:
    """Stats, and what their backend has received; `receive` waits for the given number of metrics."""

    stats: Stats
    receive: Callable[[int], Received]
    keeps: bool = True


def _read_memory(stats: MemoryStats) -> Received:
    return {**stats.counts, **stats.gauges, **{name: sum(each) for name, each in stats.timings.items()}}


def _read_datagrams(server: socket.socket, number: int) -> Received:
    found = {}
    for _ in range(number):
        match = re.fullmatch(
            r"servicio_ml\.([\w.]+):([\d.]+)\|(c|g|ms)", server.recv(DATAGRAM_BYTES).decode()
        )
        assert match is not None
        found[match[1]] = float(match[2]) / (MILLISECONDS if match[3] == "ms" else 1)
    return found


@pytest.fixture(params=["memory", "statsd", "none"])
def backend(request: pytest.FixtureRequest) -> Iterator[StatsFixture]:
    if request.param == "memory":
        stats = MemoryStats()
        yield StatsFixture(stats=stats, receive=lambda _: _read_memory(stats))
        return
    if request.param == "none":
        nothing = bootstrap.create_stats(Settings(statsd_host=""))
        yield StatsFixture(stats=nothing, receive=lambda _: {}, keeps=False)
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(PATIENCE_SECONDS)
        host, port = server.getsockname()
        sent = bootstrap.create_stats(Settings(statsd_host=host, statsd_port=port))
        yield StatsFixture(stats=sent, receive=lambda number: _read_datagrams(server, number))


class TestStats:
    """The contract of the port."""

    def test_a_count_and_a_gauge_are_received_under_their_names(self, backend: StatsFixture) -> None:
        backend.stats.count("etl.rows")
        backend.stats.count("etl.rows_quarantined", 17)
        backend.stats.set_gauge("train.best_score", 0.885)
        expected = {"etl.rows": 1.0, "etl.rows_quarantined": 17.0, "train.best_score": 0.885}
        assert backend.receive(3) == (expected if backend.keeps else {})

    def test_a_measured_duration_is_received_in_its_unit(self, backend: StatsFixture) -> None:
        backend.stats.add_timing("etl.seconds", 1.5)
        assert backend.receive(1) == ({"etl.seconds": 1.5} if backend.keeps else {})

    def test_a_timer_measures_its_context_and_passes_an_error_on(self, backend: StatsFixture) -> None:
        with pytest.raises(KeyError), backend.stats.time("etl.duration"):
            raise KeyError
        received = backend.receive(1)
        assert set(received) == ({"etl.duration"} if backend.keeps else set())
        assert all(0 <= seconds < PATIENCE_SECONDS for seconds in received.values())
