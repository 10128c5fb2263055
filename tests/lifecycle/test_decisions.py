"""A champion by an administrator's word, and what a killed process leaves of it."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from fakes.decision_log import MemoryDecisionLog
from fakes.registry import MemoryRegistry
from fakes.tracker import MemoryTracker
from servicio_ml.adapters.decision_log.sqlite import SqliteDecisionLog
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.ports.registry import ModelVersion, Registry
from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.domain.promotion import CHAMPION, DecisionRecord, PromotionDecision
from servicio_ml.errors import NoSuchModelError, PromotionError, RegistryError, ServicioError
from servicio_ml.lifecycle.admin_actions import record_outside_move, rollback, set_champion
from servicio_ml.lifecycle.decision_history import build_tenures, list_decisions, list_tenures
from servicio_ml.lifecycle.decisions import DecisionContext, DecisionRun, write_decision
from servicio_ml.lifecycle.model_history import ModelHistory

MODEL = "small"


class DecisionFixture:
    """A registry with three versions in memory, the first of them champion."""

    def __init__(self, folder: Path) -> None:
        ticks = count(1_000_000, 10)
        self.clock = lambda: float(next(ticks))
        self.tracker = MemoryTracker(folder / "runs", self.clock)
        self.registry = MemoryRegistry(folder / "models", self.clock)
        (folder / "artifact").mkdir()
        for _ in range(3):
            self.registry.register(MODEL, folder / "artifact", run_id="run", tags={})
        self.context = _build_context(self.tracker, self.registry)
        set_champion(MODEL, 1, "the first", self.context)

    @property
    def champion(self) -> int | None:
        found = self.registry.resolve(MODEL, CHAMPION)
        return found.version if found else None


def _build_context(tracker: Tracker, registry: Registry) -> DecisionContext:
    ticks = count(1_000_000, 10)
    return DecisionContext(
        tracker=tracker,
        registry=registry,
        stats=NoStats(),
        clock=lambda: float(next(ticks)),
        hold_champion=MemoryDecisionLog().hold_champion,
        by="boss",
    )


@pytest.fixture
def place(tmp_path: Path) -> DecisionFixture:
    return DecisionFixture(tmp_path)


def test_a_new_version_is_promoted_and_an_old_one_rolled_back(place: DecisionFixture) -> None:
    first = set_champion(MODEL, 2, "better in the north", place.context)
    assert (first.decision, first.champion, first.challenger) == (PromotionDecision.PROMOTED, 1, 2)
    back = set_champion(MODEL, 1, "worse in the south", place.context, instead_of=2)
    assert (back.decision, back.champion, back.challenger) == (PromotionDecision.ROLLED_BACK, 2, 1)
    assert place.champion == 1
    assert [(each.version, each.by, each.reason) for each in list_tenures(MODEL, place.tracker)] == [
        (1, "boss", "rolled back: worse in the south"),
        (2, "boss", "promoted: better in the north"),
        (1, "boss", "promoted: the first"),
    ]


@pytest.mark.parametrize(
    ("version", "instead_of", "kind", "said"),
    [
        (9, None, NoSuchModelError, "version 9"),
        (1, None, PromotionError, "version 1 is the champion already"),
        (1, 1, PromotionError, "version 1 is the champion already"),
        (2, 3, PromotionError, "version 1 is champion, not version 3"),
    ],
)
def test_what_cannot_be_is_refused_and_moves_nothing(
    place: DecisionFixture, version: int, instead_of: int | None, kind: type[ServicioError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        set_champion(MODEL, version, "because", place.context, instead_of)
    assert place.champion == 1
    assert len(list_decisions(MODEL, place.tracker)) == 1


def test_a_registry_that_goes_away_leaves_no_history(
    place: DecisionFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_unreachable(*_: object) -> None:
        raise RegistryError("there", "it is away")

    with monkeypatch.context() as patch:
        patch.setattr(place.registry, "set_alias", raise_unreachable)
        with pytest.raises(RegistryError, match="away"):
            set_champion(MODEL, 2, "because", place.context)
    assert (place.champion, len(list_decisions(MODEL, place.tracker))) == (1, 1)
    assert set_champion(MODEL, 2, "because", place.context).decision is PromotionDecision.PROMOTED


def test_of_two_concurrent_administrators_one_gets_an_error(place: DecisionFixture) -> None:
    records = ModelHistory(
        place.tracker, place.registry, NoStats(), place.clock, MemoryDecisionLog().hold_champion
    )

    def promote_version(version: int) -> str:
        try:
            records.set_champion(MODEL, version, "mine", f"boss {version}", instead_of=1)
        except PromotionError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(promote_version, (2, 3)))
    assert sorted(bool(each) for each in found) == [False, True]
    assert place.champion == (2 if not found[0] else 3)
    assert [each.version for each in list_tenures(MODEL, place.tracker)] == [place.champion, 1]


KILLED = """
import os, signal, sys
from pathlib import Path
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.lifecycle.admin_actions import set_champion
from servicio_ml.lifecycle.decisions import DecisionContext
from servicio_ml.adapters.decision_log.sqlite import SqliteDecisionLog

class Killed(MlflowRegistry):
    def set_alias(self, *given):
        if sys.argv[2] == "after":
            super().set_alias(*given)
        os.kill(os.getpid(), signal.SIGKILL)

connection = connect("", Path(sys.argv[1]))
context = DecisionContext(tracker=MlflowTracker(connection), registry=Killed(connection), stats=NoStats(),
              clock=lambda: 1_000_015.0, by="killed",
              hold_champion=SqliteDecisionLog(Path(sys.argv[1])).hold_champion)
set_champion("small", 2, "killed", context)
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_killed_at_the_move_is_mended(when: str, tmp_path: Path, artifact_folder: Path) -> None:
    connection = connect("", tmp_path)
    tracker, registry = MlflowTracker(connection), MlflowRegistry(connection)
    context = _build_context(tracker, registry)
    with tracker.open_run(MODEL, "fit") as run:
        for _ in range(3):
            registry.register(MODEL, artifact_folder, run_id=run.id, tags={})
    set_champion(MODEL, 1, "the first", context)

    words = [sys.executable, "-c", KILLED, str(tmp_path), when]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    found = registry.resolve(MODEL, CHAMPION)
    assert found is not None
    assert found.version == (2 if when == "after" else 1)
    assert [each.version for each in list_tenures(MODEL, tracker)] == [1]

    record = set_champion(MODEL, 2, "again", context)
    assert (record.by, record.reason) == (("killed", "killed") if when == "after" else ("boss", "again"))
    assert [each.version for each in list_tenures(MODEL, tracker)] == [2, 1]
    set_champion(MODEL, 3, "the third", context)
    with pytest.raises(PromotionError, match="champion already"):
        set_champion(MODEL, 3, "the third", context)
    assert [each.version for each in list_tenures(MODEL, tracker)] == [3, 2, 1]


@pytest.mark.slow
def test_what_a_killed_process_moved_is_in_the_history_of_the_next(
    tmp_path: Path, artifact_folder: Path
) -> None:
    connection = connect("", tmp_path)
    tracker, registry = MlflowTracker(connection), MlflowRegistry(connection)
    with tracker.open_run(MODEL, "fit") as run:
        for _ in range(2):
            registry.register(MODEL, artifact_folder, run_id=run.id, tags={})
    context = _build_context(tracker, registry)
    set_champion(MODEL, 1, "the first", context)
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "after"], check=False)
    back = set_champion(MODEL, 1, "no", context)
    assert (back.decision, back.champion) == (PromotionDecision.ROLLED_BACK, 2)
    assert [each.version for each in list_tenures(MODEL, tracker)] == [1, 2, 1]


def test_a_champion_set_in_mlflow_is_recorded_once(place: DecisionFixture) -> None:
    assert record_outside_move(MODEL, place.context) is None
    place.registry.set_alias(MODEL, CHAMPION, 3)
    found = record_outside_move(MODEL, place.context)
    assert found is not None
    assert (found.decision, found.challenger, found.champion, found.by) == (
        PromotionDecision.SET_OUTSIDE, 3, 1, "unknown",
    )  # fmt: skip
    assert record_outside_move(MODEL, place.context) is None
    assert [each.version for each in list_tenures(MODEL, place.tracker)] == [3, 1]


def test_what_is_recorded_moves_nothing(place: DecisionFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def move_and_write(record: DecisionRecord, context: DecisionContext) -> DecisionRun:
        place.registry.set_alias(MODEL, CHAMPION, 2)
        return write_decision(record, context)

    place.registry.set_alias(MODEL, CHAMPION, 3)
    # MLflow moves it again while the record is written
    monkeypatch.setattr("servicio_ml.lifecycle.admin_actions.write_decision", move_and_write)
    record = record_outside_move(MODEL, place.context)
    assert record is not None
    assert (record.challenger, place.champion) == (3, 2)


@pytest.mark.parametrize("action", ["set_champion", "rollback"])
def test_a_move_in_mlflow_is_in_the_history_of_the_next_decision(place: DecisionFixture, action: str) -> None:
    back = action == "rollback"
    set_champion(MODEL, 2, "because", place.context)
    place.registry.set_alias(MODEL, CHAMPION, 3)
    record = rollback(MODEL, None, place.context) if back else set_champion(MODEL, 1, "no", place.context)
    # back to the champion before the one that MLflow was given
    assert (record.champion, record.challenger) == (3, 2 if back else 1)
    tenures = [each.version for each in list_tenures(MODEL, place.tracker)]
    assert tenures == [record.challenger, 3, 2, 1]


def test_two_replicas_move_one_champion(tmp_path: Path) -> None:
    place = DecisionFixture(tmp_path)
    together = threading.Barrier(2)

    def promote_version(version: int) -> str:
        log = SqliteDecisionLog(tmp_path / "log")
        context = replace(place.context, hold_champion=log.hold_champion, by=f"boss {version}")
        together.wait()
        try:
            set_champion(MODEL, version, "mine", context, instead_of=1)
        except PromotionError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(promote_version, (2, 3)))
    assert sorted(map(bool, found)) == [False, True]
    assert [each.version for each in list_tenures(MODEL, place.tracker)] == [2 if not found[0] else 3, 1]


def test_a_champion_that_no_decision_named_ends_the_tenure_before(place: DecisionFixture) -> None:
    set_champion(MODEL, 2, "because", place.context)
    decisions = list_decisions(MODEL, place.tracker)
    latest = decisions[0]
    outside = ModelVersion(model=MODEL, version=3, run_id="", created=latest.at + 60)
    newest, former, *_ = build_tenures(decisions, outside)
    assert (newest.version, newest.since, newest.until) == (3, latest.at + 60, None)
    assert newest.reason == "the alias was set in MLflow, without a decision of servicio-ml"
    assert (former.version, former.until) == (2, latest.at + 60)
    assert build_tenures(decisions, replace(outside, version=2)) == build_tenures(decisions)
