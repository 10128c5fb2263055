"""StatsD: a real UDP socket receives what is sent."""

import re
import socket
from collections.abc import Iterator

import pytest

from servicio_ml import bootstrap
from servicio_ml.adapters.statsd import NoStats, StatsdStats
from servicio_ml.domain.ports.stats import Stats
from servicio_ml.settings import Settings

DATAGRAM_BYTES = 512
PATIENCE_SECONDS = 5.0


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(PATIENCE_SECONDS)
        yield listening


@pytest.fixture
def stats(server: socket.socket) -> Stats:
    host, port = server.getsockname()
    return bootstrap.create_stats(Settings(statsd_host=host, statsd_port=port))


def receive_datagrams(server: socket.socket) -> str:
    return server.recv(DATAGRAM_BYTES).decode()


def test_a_count(stats: Stats, server: socket.socket) -> None:
    stats.count("etl.rows_quarantined", 17)
    assert receive_datagrams(server) == "servicio_ml.etl.rows_quarantined:17|c"


def test_a_gauge(stats: Stats, server: socket.socket) -> None:
    stats.set_gauge("train.best_score", 0.885)
    assert receive_datagrams(server) == "servicio_ml.train.best_score:0.885|g"


def test_a_timer_sends_milliseconds_when_it_ends(stats: Stats, server: socket.socket) -> None:
    with stats.time("etl.duration"):
        stats.count("etl.inside")
    assert receive_datagrams(server) == "servicio_ml.etl.inside:1|c"
    assert re.fullmatch(r"servicio_ml\.etl\.duration:\d+\.\d+\|ms", receive_datagrams(server))


def test_what_is_sent_while_nobody_listens_is_lost_and_the_rest_arrives(server: socket.socket) -> None:
    host, port = server.getsockname()
    server.close()
    stats = StatsdStats(host, port)
    stats.count("etl.lost")
    stats.count("etl.lost")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind((host, port))
        again.settimeout(PATIENCE_SECONDS)
        stats.count("etl.rows")
        assert receive_datagrams(again) == "servicio_ml.etl.rows:1|c"


def test_without_a_host_nothing_is_sent() -> None:
    stats = bootstrap.create_stats(Settings(statsd_host=""))
    assert isinstance(stats, NoStats)
    stats.count("etl.rows")
    stats.set_gauge("etl.rows", 1.0)
    with stats.time("etl.duration") as opened:
        assert opened is None


def test_a_server_whose_name_is_unknown_stops_no_command(caplog: pytest.LogCaptureFixture) -> None:
    stats = bootstrap.create_stats(Settings(statsd_host="no-such-host.invalid"))
    stats.count("etl.lost")
    assert "STATSD_HOST no-such-host.invalid" in caplog.text
