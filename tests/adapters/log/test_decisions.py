"""What every decision log does: in memory, in SQLite and in PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from servicio_ml.adapters.log.connections import Connections
from servicio_ml.adapters.log.files import decisions_path
from servicio_ml.adapters.log.postgres_decisions import PostgresDecisions
from servicio_ml.adapters.log.sqlite_decisions import SqliteDecisions
from servicio_ml.adapters.memory_decisions import MemoryDecisions
from servicio_ml.domain.ports import DecisionLog
from servicio_ml.domain.retraining import Alert, Decision, Entry, History, Policy, decide
from servicio_ml.errors import LogError
from servicio_ml.settings import Settings

NOW = 1_600_000_000.0
ALERT = Alert(
    name="DataDrift", cause="drift", severity="ticket", firing=True, starts=NOW - 1.5, fingerprint="d"
)
Opened = Callable[[], DecisionLog]


def in_memory(_folder: Path, _request: pytest.FixtureRequest) -> Opened:
    made = MemoryDecisions()
    return lambda: made


def in_sqlite(folder: Path, _request: pytest.FixtureRequest) -> Opened:
    return lambda: SqliteDecisions(folder)


def in_postgres(_folder: Path, request: pytest.FixtureRequest) -> Opened:
    database = request.getfixturevalue("database")

    def opened() -> DecisionLog:
        connections = Connections(database)
        request.addfinalizer(connections.close)
        return PostgresDecisions(connections)

    return opened


@pytest.fixture(
    params=[
        pytest.param(in_memory, id="memory"),
        pytest.param(in_sqlite, id="sqlite"),
        pytest.param(in_postgres, id="postgres", marks=pytest.mark.slow),
    ]
)
def opened(request: pytest.FixtureRequest, folder: Path) -> Opened:
    """Opens the log, as another process would."""
    made: Opened = request.param(folder, request)
    return made


def entry(at: float, model: str = "rain", decision: Decision = Decision.IGNORED) -> Entry:
    return Entry(
        model=model, decision=decision, reason="it's 5 % «better»", at=at, reference="r", alerts=(ALERT,)
    )


class TestDecisionLog:
    """The contract of the port."""

    def test_what_is_settled_is_read_again_the_newest_first(self, opened: Opened) -> None:
        log = opened()
        made = [entry(NOW), entry(NOW + 1, decision=Decision.RETRAIN), entry(NOW + 0.25)]
        for each in made:
            assert log.settle("rain", 0, lambda _, each=each: each) == each  # type: ignore[misc]  # its own
        assert list(opened().history("rain", 0)) == made[::-1]
        assert list(log.history("heart", 0)) == []

    def test_history_goes_back_to_a_time_and_has_the_newest_in_any_case(self, opened: Opened) -> None:
        log = opened()
        for at in (NOW, NOW + 2, NOW + 1):
            log.settle("rain", 0, lambda _, at=at: entry(at))  # type: ignore[misc]  # its own
        assert [each.at for each in log.history("rain", NOW + 1)] == [NOW + 1, NOW + 2]
        assert [each.at for each in log.history("rain", NOW + 9)] == [NOW + 1]

    def test_who_decides_is_given_the_history_of_the_model(self, opened: Opened) -> None:
        log = opened()
        log.settle("heart", 0, lambda _: entry(NOW, "heart"))
        log.settle("rain", 0, lambda _: entry(NOW))
        seen: list[History] = []

        def second(history: History) -> Entry:
            seen.append(history)
            return entry(NOW + 1)

        log.settle("rain", 0, second)
        assert [list(history) for history in seen] == [[entry(NOW)]]

    def test_nothing_is_added_when_it_raises(self, opened: Opened) -> None:
        log = opened()

        def failing(_: History) -> Entry:
            raise ArithmeticError

        with pytest.raises(ArithmeticError):
            log.settle("rain", 0, failing)
        assert list(log.history("rain", 0)) == []
        log.settle("rain", 0, lambda _: entry(NOW))

    def test_the_newest_entry_again_is_not_added(self, opened: Opened) -> None:
        log = opened()
        log.settle("rain", 0, lambda _: entry(NOW))
        log.settle("rain", 0, lambda _: entry(NOW + 1))
        assert log.settle("rain", 0, lambda history: history[0]) == entry(NOW + 1)
        log.settle("rain", 0, lambda history: history[1])
        assert [each.at for each in log.history("rain", 0)] == [NOW, NOW + 1, NOW]

    def test_the_same_notification_at_several_workers_starts_one_retraining(self, opened: Opened) -> None:
        workers, policy = 6, Policy(cooldown_seconds=0, monthly_budget=9)
        together = threading.Barrier(workers)

        def notified(log: DecisionLog) -> Decision:
            together.wait()
            told = log.settle("rain", 0, lambda history: decide("rain", [ALERT], history, policy, NOW))
            return told.decision

        with ThreadPoolExecutor(workers) as pool:
            decisions = list(pool.map(notified, [opened() for _ in range(workers)]))
        assert sorted(decisions) == [Decision.IGNORED] * (workers - 1) + [Decision.RETRAIN]
        assert [each.decision for each in opened().history("rain", 0)][-1] is Decision.RETRAIN

    def test_reading_does_not_wait_for_a_decision(self, opened: Opened) -> None:
        log = opened()
        if isinstance(log, MemoryDecisions):
            pytest.skip("it has no other processes")
        log.settle("rain", 0, lambda _: entry(NOW))
        other = opened()

        def slow(_: History) -> Entry:
            assert len(other.history("rain", 0)) == 1
            return entry(NOW + 1)

        log.settle("rain", 0, slow)


def test_a_file_that_is_none_is_told(folder: Path) -> None:
    folder.mkdir()
    decisions_path(folder).write_text("not a database, but long enough to look like a file of one" * 20)
    with pytest.raises(LogError, match="decisions"):
        SqliteDecisions(folder)


def test_a_server_that_is_away_is_told_when_it_is_asked() -> None:
    settings = Settings(log_url="postgresql://u:secret@127.0.0.1:1/log")
    log = PostgresDecisions(Connections(settings.log_url))
    with pytest.raises(LogError) as told:
        log.history("rain", 0)
    assert "secret" not in str(told.value)
