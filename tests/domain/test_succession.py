"""A champion by an administrator's word, and what a killed process leaves of it."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from servicio_ml.adapters.memory import MemoryRegistry, MemoryTracker
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.ports import Registry, Tracker
from servicio_ml.domain.promotion import CHAMPION, Decision
from servicio_ml.domain.records import Records
from servicio_ml.domain.succession import Court, crown, decisions, history
from servicio_ml.errors import NoSuchModelError, PromotionError, RegistryError, ServicioError

MODEL = "small"


class Place:
    """A registry with three versions in memory, the first of them champion."""

    def __init__(self, folder: Path) -> None:
        ticks = count(1_000_000, 10)
        self.clock = lambda: float(next(ticks))
        self.tracker = MemoryTracker(folder / "runs", self.clock)
        self.registry = MemoryRegistry(folder / "models", self.clock)
        (folder / "artifact").mkdir()
        for _ in range(3):
            self.registry.register(MODEL, folder / "artifact", run_id="run", tags={})
        self.court = _court(self.tracker, self.registry)
        crown(MODEL, 1, "the first", self.court)

    @property
    def champion(self) -> int | None:
        found = self.registry.resolve(MODEL, CHAMPION)
        return found.version if found else None


def _court(tracker: Tracker, registry: Registry) -> Court:
    ticks = count(1_000_000, 10)
    return Court(
        tracker=tracker, registry=registry, stats=NoStats(), clock=lambda: float(next(ticks)), by="boss"
    )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_new_version_is_promoted_and_an_old_one_rolled_back(place: Place) -> None:
    first = crown(MODEL, 2, "better in the north", place.court)
    assert (first.decision, first.champion, first.challenger) == (Decision.PROMOTED, 1, 2)
    back = crown(MODEL, 1, "worse in the south", place.court, instead_of=2)
    assert (back.decision, back.champion, back.challenger) == (Decision.ROLLED_BACK, 2, 1)
    assert place.champion == 1
    assert [(each.version, each.by, each.reason) for each in history(MODEL, place.tracker)] == [
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
    place: Place, version: int, instead_of: int | None, kind: type[ServicioError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        crown(MODEL, version, "because", place.court, instead_of)
    assert place.champion == 1
    assert len(decisions(MODEL, place.tracker)) == 1


def test_a_registry_that_goes_away_leaves_no_history(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise RegistryError("there", "it is away")

    with monkeypatch.context() as patch:
        patch.setattr(place.registry, "point", away)
        with pytest.raises(RegistryError, match="away"):
            crown(MODEL, 2, "because", place.court)
    assert (place.champion, len(decisions(MODEL, place.tracker))) == (1, 1)
    assert crown(MODEL, 2, "because", place.court).decision is Decision.PROMOTED


def test_of_two_administrators_at_once_one_is_told(place: Place) -> None:
    records = Records(place.tracker, place.registry, NoStats(), place.clock)

    def by(version: int) -> str:
        try:
            records.crown(MODEL, version, "mine", f"boss {version}", instead_of=1)
        except PromotionError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(by, (2, 3)))
    assert sorted(bool(each) for each in told) == [False, True]
    assert place.champion == (2 if not told[0] else 3)
    assert [each.version for each in history(MODEL, place.tracker)] == [place.champion, 1]


KILLED = """
import os, signal, sys
from pathlib import Path
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.succession import Court, crown

class Killed(MlflowRegistry):
    def point(self, *given):
        if sys.argv[2] == "after":
            super().point(*given)
        os.kill(os.getpid(), signal.SIGKILL)

connection = connect("", Path(sys.argv[1]))
court = Court(tracker=MlflowTracker(connection), registry=Killed(connection), stats=NoStats(),
              clock=lambda: 1_000_015.0, by="killed")
crown("small", 2, "killed", court)
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_killed_at_the_move_is_mended(when: str, tmp_path: Path, artifact_folder: Path) -> None:
    connection = connect("", tmp_path)
    tracker, registry = MlflowTracker(connection), MlflowRegistry(connection)
    court = _court(tracker, registry)
    with tracker.run(MODEL, "fit") as run:
        for _ in range(3):
            registry.register(MODEL, artifact_folder, run_id=run.id, tags={})
    crown(MODEL, 1, "the first", court)

    words = [sys.executable, "-c", KILLED, str(tmp_path), when]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    found = registry.resolve(MODEL, CHAMPION)
    assert found is not None
    assert found.version == (2 if when == "after" else 1)
    assert [each.version for each in history(MODEL, tracker)] == [1]

    told = crown(MODEL, 2, "again", court)
    assert (told.by, told.reason) == (("killed", "killed") if when == "after" else ("boss", "again"))
    assert [each.version for each in history(MODEL, tracker)] == [2, 1]
    crown(MODEL, 3, "the third", court)
    with pytest.raises(PromotionError, match="champion already"):
        crown(MODEL, 3, "the third", court)
    assert [each.version for each in history(MODEL, tracker)] == [3, 2, 1]


@pytest.mark.slow
def test_what_a_killed_process_moved_is_in_the_history_of_the_next(
    tmp_path: Path, artifact_folder: Path
) -> None:
    connection = connect("", tmp_path)
    tracker, registry = MlflowTracker(connection), MlflowRegistry(connection)
    with tracker.run(MODEL, "fit") as run:
        for _ in range(2):
            registry.register(MODEL, artifact_folder, run_id=run.id, tags={})
    court = _court(tracker, registry)
    crown(MODEL, 1, "the first", court)
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "after"], check=False)
    back = crown(MODEL, 1, "no", court)
    assert (back.decision, back.champion) == (Decision.ROLLED_BACK, 2)
    assert [each.version for each in history(MODEL, tracker)] == [1, 2, 1]
