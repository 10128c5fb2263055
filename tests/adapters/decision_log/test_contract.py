"""What every decision log does: in memory, in SQLite and in PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes import decision_log as memory
from fakes.decision_log import MemoryDecisionLog
from servicio_ml.adapters.decision_log import postgres, sqlite
from servicio_ml.adapters.decision_log.postgres import PostgresDecisionLog
from servicio_ml.adapters.decision_log.sqlite import SqliteDecisionLog
from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase
from servicio_ml.adapters.prediction_log.sqlite_files import get_champion_lock_path, get_decisions_path
from servicio_ml.domain.drift import Acknowledgement
from servicio_ml.domain.ports.decision_log import DecisionLog
from servicio_ml.domain.retraining import (
    DecisionEntry,
    ModelAlert,
    RetrainingDecision,
    RetrainingHistory,
)
from servicio_ml.errors import LogError, PromotionError
from servicio_ml.lifecycle.retraining_policy import RetrainingPolicy, decide
from servicio_ml.settings import Settings

NOW = 1_600_000_000.0
ALERT = ModelAlert(
    name="DataDrift", cause="drift", severity="ticket", firing=True, started_at=NOW - 1.5, fingerprint="d"
)
OpenLog = Callable[[], DecisionLog]
HOLDERS = (memory, sqlite, postgres)


def open_in_memory(_folder: Path, _request: pytest.FixtureRequest) -> OpenLog:
    made = MemoryDecisionLog()
    return lambda: made


def open_in_sqlite(folder: Path, _request: pytest.FixtureRequest) -> OpenLog:
    return lambda: SqliteDecisionLog(folder)


def open_in_postgres(_folder: Path, request: pytest.FixtureRequest) -> OpenLog:
    database = request.getfixturevalue("database")

    def open_log() -> DecisionLog:
        log_database = LogDatabase(database)
        request.addfinalizer(log_database.close)
        return PostgresDecisionLog(log_database)

    return open_log


@pytest.fixture(
    params=[
        pytest.param(open_in_memory, id="memory"),
        pytest.param(open_in_sqlite, id="sqlite"),
        pytest.param(open_in_postgres, id="postgres", marks=pytest.mark.slow),
    ]
)
def opened(request: pytest.FixtureRequest, folder: Path) -> OpenLog:
    """Opens the log, as another process would."""
    made: OpenLog = request.param(folder, request)
    return made


def build_decision(
    at: float, model: str = "rain", decision: RetrainingDecision = RetrainingDecision.IGNORED
) -> DecisionEntry:
    return DecisionEntry(
        model=model,
        decision=decision,
        reason="it's 5 % «better»",
        decided_at=at,
        reference="r",
        alerts=(ALERT,),
    )


def build_acknowledgement(feature: str, at: float, model: str = "rain") -> Acknowledgement:
    return Acknowledgement(
        model=model, feature=feature, reason="the «sensor» left, 100 %", by="boss", at=at,
        until=at + 86_400.5, psi=0.1 + 0.2, missing_excess=1 / 3,
    )  # fmt: skip


class TestDecisionLog:
    """The contract of the port."""

    def test_acknowledgements_are_read_again_the_newest_first(self, opened: OpenLog) -> None:
        log = opened()
        # by the order of their records, also where a clock was set back
        made = [build_acknowledgement("wind", NOW), build_acknowledgement("sky", NOW - 0.25)]
        for each in (*made, build_acknowledgement("wind", NOW, "heart")):
            log.add_acknowledgement(each)
        assert list(opened().load_acknowledgements("rain")) == made[::-1]
        assert list(log.load_acknowledgements("burnout")) == []
        assert list(log.load_history("rain", 0)) == []

    def test_what_is_settled_is_read_again_the_newest_first(self, opened: OpenLog) -> None:
        log = opened()
        made = [
            build_decision(NOW),
            build_decision(NOW + 1, decision=RetrainingDecision.RETRAIN),
            build_decision(NOW + 0.25),
        ]
        for each in made:
            assert log.record("rain", 0, lambda _, each=each: each) == each  # type: ignore[misc]  # its own
        assert list(opened().load_history("rain", 0)) == made[::-1]
        assert list(log.load_history("heart", 0)) == []

    def test_history_goes_back_to_a_time_and_has_the_newest_in_any_case(self, opened: OpenLog) -> None:
        log = opened()
        for at in (NOW, NOW + 2, NOW + 1):
            log.record("rain", 0, lambda _, at=at: build_decision(at))  # type: ignore[misc]  # its own
        assert [each.decided_at for each in log.load_history("rain", NOW + 1)] == [NOW + 1, NOW + 2]
        assert [each.decided_at for each in log.load_history("rain", NOW + 9)] == [NOW + 1]

    def test_who_decides_is_given_the_history_of_the_model(self, opened: OpenLog) -> None:
        log = opened()
        log.record("heart", 0, lambda _: build_decision(NOW, "heart"))
        log.record("rain", 0, lambda _: build_decision(NOW))
        seen: list[RetrainingHistory] = []

        def add_second(history: RetrainingHistory) -> DecisionEntry:
            seen.append(history)
            return build_decision(NOW + 1)

        log.record("rain", 0, add_second)
        assert [list(history) for history in seen] == [[build_decision(NOW)]]

    def test_nothing_is_added_when_it_raises(self, opened: OpenLog) -> None:
        log = opened()

        def fail(_: RetrainingHistory) -> DecisionEntry:
            raise ArithmeticError

        with pytest.raises(ArithmeticError):
            log.record("rain", 0, fail)
        assert list(log.load_history("rain", 0)) == []
        log.record("rain", 0, lambda _: build_decision(NOW))

    def test_the_newest_entry_again_is_not_added(self, opened: OpenLog) -> None:
        log = opened()
        log.record("rain", 0, lambda _: build_decision(NOW))
        log.record("rain", 0, lambda _: build_decision(NOW + 1))
        assert log.record("rain", 0, lambda history: history[0]) == build_decision(NOW + 1)
        log.record("rain", 0, lambda history: history[1])
        assert [each.decided_at for each in log.load_history("rain", 0)] == [NOW, NOW + 1, NOW]

    def test_the_same_notification_at_several_workers_starts_one_retraining(self, opened: OpenLog) -> None:
        workers, policy = 6, RetrainingPolicy(cooldown_seconds=0, monthly_budget=9)
        together = threading.Barrier(workers)

        def notify(log: DecisionLog) -> RetrainingDecision:
            together.wait()
            caught = log.record("rain", 0, lambda history: decide("rain", [ALERT], history, policy, NOW))
            return caught.decision

        with ThreadPoolExecutor(workers) as pool:
            decisions = list(pool.map(notify, [opened() for _ in range(workers)]))
        assert sorted(decisions) == [RetrainingDecision.IGNORED] * (workers - 1) + [
            RetrainingDecision.RETRAIN
        ]
        assert [each.decision for each in opened().load_history("rain", 0)][-1] is RetrainingDecision.RETRAIN

    def test_one_process_at_a_time_moves_a_champion(
        self, opened: OpenLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in HOLDERS:
            monkeypatch.setattr(module, "HOLD_SECONDS", 0.2)
        first, second = opened(), opened()
        with first.hold_champion("rain"), pytest.raises(PromotionError, match="in progress; try again"):
            second.hold_champion("rain").__enter__()
        with second.hold_champion("rain"):
            assert second.record("rain", 0, lambda _: build_decision(NOW)) == build_decision(NOW)

    def test_who_waits_for_a_champion_gets_it(self, opened: OpenLog) -> None:
        workers, order, together = 4, list[str](), threading.Barrier(4)

        def move(log: DecisionLog) -> None:
            together.wait()
            with log.hold_champion("rain"):
                order.append("held")
                # the others are given the processor while it is held
                threading.Event().wait(0.02)
                order.append("left")

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(move, [opened() for _ in range(workers)]))
        assert order == ["held", "left"] * workers

    def test_an_error_frees_the_champion(self, opened: OpenLog) -> None:
        with pytest.raises(ArithmeticError), opened().hold_champion("rain"):
            raise ArithmeticError
        with opened().hold_champion("rain"):
            pass

    def test_reading_does_not_wait_for_a_decision(self, opened: OpenLog) -> None:
        log = opened()
        if isinstance(log, MemoryDecisionLog):
            pytest.skip("it has no other processes")
        log.record("rain", 0, lambda _: build_decision(NOW))
        other = opened()

        def decide_slowly(_: RetrainingHistory) -> DecisionEntry:
            assert len(other.load_history("rain", 0)) == 1
            return build_decision(NOW + 1)

        log.record("rain", 0, decide_slowly)


def test_a_file_that_is_none_is_reported(folder: Path) -> None:
    folder.mkdir()
    get_decisions_path(folder).write_text("not a database, but long enough to look like a file of one" * 20)
    with pytest.raises(LogError, match="decisions"):
        SqliteDecisionLog(folder)


def test_a_champion_moves_while_the_log_is_away(caplog: pytest.LogCaptureFixture, folder: Path) -> None:
    away = PostgresDecisionLog(LogDatabase("postgresql://u:secret@127.0.0.1:1/log"))
    broken = SqliteDecisionLog(folder)
    get_champion_lock_path(folder).mkdir()
    for log in (away, broken):
        caplog.clear()
        with log.hold_champion("rain"):
            assert "the champion of rain may be moved by other replicas at the same time" in caplog.text
            assert "secret" not in caplog.text


def test_a_server_that_is_away_is_reported_when_it_is_asked() -> None:
    settings = Settings(log_url="postgresql://u:secret@127.0.0.1:1/log")
    log = PostgresDecisionLog(LogDatabase(settings.log_url))
    with pytest.raises(LogError) as caught:
        log.load_history("rain", 0)
    assert "secret" not in str(caught.value)
