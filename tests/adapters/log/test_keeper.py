"""The keeper where the journals are the log: pruning, checkpoints, and going on after every fault."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chunks import NOW, chunk, ids
from services import Watch
from servicio_ml.adapters.log import keeper as module
from servicio_ml.adapters.log.files import PAGE_BYTES
from servicio_ml.adapters.log.journal import SqliteJournal
from servicio_ml.adapters.log.keeper import CHECKPOINT_CHUNKS, Keep, Keeper, KeptJournal
from servicio_ml.adapters.log.slot_file import SLACK_PAGES, SlotFile
from servicio_ml.adapters.log.sqlite_log import SqliteLog
from servicio_ml.domain.prediction import GroundTruth

DAY, FOR_EVER = 86_400.0, 1e12
MEBIBYTE = 1 << 20


@pytest.fixture
def journal(folder: Path) -> Iterator[SqliteJournal]:
    made = SqliteJournal.alone(folder)
    yield made
    made.close()


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(module, "DUE_SECONDS", 0)
    return Watch(NOW)


def keeper(journal: SqliteJournal, watch: Watch, *, seconds: float = FOR_EVER, size: int = 1 << 40) -> Keeper:
    return Keeper(journal.path.parent, journal, Keep(seconds=seconds, bytes=size), None, watch)


def times(folder: Path) -> list[float]:
    return [each.at for each in SqliteLog(folder).chunks("rain", 0, 1e12)]


def wal(journal: SqliteJournal) -> int:
    return journal.path.with_name(f"{journal.path.name}-wal").stat().st_size


def test_what_is_too_old_goes_with_its_ground_truth(
    folder: Path, journal: SqliteJournal, watch: Watch
) -> None:
    log = SqliteLog(folder)
    # also where an older one was written later, and of several models
    made = [chunk(NOW + i * DAY, model=model) for i in (2, 0, 3, 1) for model in ("heart", "rain")]
    journal.write(made)
    log.label([GroundTruth(prediction_id=ids(each)[0], actual=1, at=NOW) for each in made])
    watch.now = NOW + 11.5 * DAY
    keeper(journal, watch, seconds=10 * DAY).cycle()
    assert times(folder) == [NOW + 2 * DAY, NOW + 3 * DAY]
    for model in ("heart", "rain"):
        assert len(list(log.labelled(model, 0, 1e12))) == 2


def test_the_oldest_go_where_the_size_is_exceeded(
    folder: Path, journal: SqliteJournal, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(1_000):
        journal.write([chunk(NOW + i, 100)])
    file = SlotFile(journal.path)
    before = file.used_bytes
    kept = keeper(journal, watch, size=before // 2)
    kept.cycle()
    kept.cycle()
    found = times(folder)
    assert before * 0.4 < file.used_bytes <= before // 2
    file.close()
    assert found == [NOW + i for i in range(1_000 - len(found), 1_000)]
    assert caplog.text.count("SERVICIO_ML_LOG_MAX_BYTES") == 1


def test_every_journal_gives_its_share(folder: Path, journal: SqliteJournal, watch: Watch) -> None:
    other = SqliteJournal.alone(folder)
    for i in range(600):
        journal.write([chunk(NOW + i, 100)])
        other.write([chunk(NOW + i, 100)])
    other.close()
    whole = sum(
        path.used_bytes for path in map(SlotFile, folder.glob("*.db")) if path.path.name != "labels.db"
    )
    keeper(journal, watch, size=whole // 2).cycle()
    found = times(folder)
    assert 0.4 * 1_200 < len(found) <= 600
    assert found.count(NOW + 599) == 2
    assert NOW not in found


def test_a_pruned_file_shrinks(folder: Path, journal: SqliteJournal, watch: Watch) -> None:
    for i in range(40):
        journal.write([chunk(NOW + i, 20_000)])
    kept = keeper(journal, watch, seconds=DAY)
    kept.cycle()
    full = journal.path.stat().st_size
    assert full > 2 * SLACK_PAGES * PAGE_BYTES
    watch.now = NOW + 2 * DAY
    kept.cycle()
    kept.cycle()
    assert journal.path.stat().st_size <= (SLACK_PAGES + 100) * PAGE_BYTES
    assert times(folder) == []


def fill(journal: SqliteJournal, file: SlotFile) -> int:
    """Write some megabytes and make a checkpoint; gives the size of the WAL."""
    for _ in range(4):
        journal.write([chunk(NOW, 20_000)])
    file.checkpoint()
    return wal(journal)


def test_the_write_ahead_log_does_not_grow_for_ever(folder: Path, journal: SqliteJournal) -> None:
    with closing(SlotFile(journal.path, journal.lock)) as file:
        sizes = [fill(journal, file) for _ in range(4)]
    assert sizes == sizes[:1] * 4
    assert len(times(folder)) == 16


def test_a_reader_in_the_way_costs_the_writer_nothing(folder: Path, journal: SqliteJournal) -> None:
    with (
        closing(SlotFile(journal.path, journal.lock)) as file,
        closing(sqlite3.connect(journal.path)) as reader,
    ):
        first = fill(journal, file)
        reader.execute("BEGIN")
        reader.execute("SELECT 1 FROM chunk").fetchone()
        fill(journal, file)
        grown = fill(journal, file)
        assert grown > first
        reader.execute("ROLLBACK")
        file.checkpoint()
        assert fill(journal, file) == grown
    assert len(times(folder)) == 16


def test_a_checkpoint_waits_for_many_rows_or_a_minute(
    journal: SqliteJournal, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DUE_SECONDS", 60)
    kept = keeper(journal, watch)
    journal.write([chunk(NOW)])
    kept.cycle()
    file = journal.path.stat().st_size
    journal.write([chunk(NOW, 20_000)])
    kept.cycle()
    assert journal.path.stat().st_size == file
    for _ in range(CHECKPOINT_CHUNKS):
        journal.write([chunk(NOW)])
    kept.cycle()
    assert journal.path.stat().st_size > file


def test_what_comes_after_everything_was_deleted_is_shipped(journal: SqliteJournal, watch: Watch) -> None:
    journal.write([chunk(NOW), chunk(NOW)])
    file = SlotFile(journal.path)
    file.mark_shipped(file.last)
    watch.now = NOW + 2 * DAY
    keeper(journal, watch, seconds=DAY).cycle()
    assert file.last == 0
    journal.write([chunk(watch.now)])
    assert len(file.unshipped()) == 1
    file.close()


def test_a_cursor_never_goes_back(journal: SqliteJournal) -> None:
    journal.write([chunk(NOW), chunk(NOW + 1)])
    file = SlotFile(journal.path)
    file.mark_shipped(2)
    file.mark_shipped(1)
    assert (file.shipped, file.unshipped()) == (2, [])
    file.close()


def test_a_fault_is_logged_once_and_hinders_nothing(
    journal: SqliteJournal, watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    journal.write([chunk(NOW)])
    watch.now = NOW + 2 * DAY
    kept = keeper(journal, watch, seconds=DAY)

    def broken(_file: SlotFile) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(SlotFile, "checkpoint", broken)
        for _ in range(3):
            kept.cycle()
    assert caplog.text.count("disk I/O error") == 1
    assert times(journal.path.parent) == []
    kept.cycle()
    assert caplog.text.count("works again") == 1


def test_it_runs_by_itself_and_stops_at_once(
    folder: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycles = threading.Semaphore(0)
    whole: Any = Keeper.cycle

    def counted(self: Keeper) -> None:
        whole(self)
        cycles.release()

    monkeypatch.setattr(Keeper, "cycle", counted)
    monkeypatch.setattr(module, "CYCLE_SECONDS", 0.01)
    journal = SqliteJournal.alone(folder)
    kept = KeptJournal(journal, keeper(journal, watch))
    kept.write([chunk(NOW)])
    assert all(cycles.acquire(timeout=10) for _ in range(3))
    kept.close()
    assert kept.pending() == 0
    assert not [each for each in threading.enumerate() if each.name == "servicio-ml-keeper"]
    assert not journal.path.with_name("journal-0.db-wal").exists()
    SqliteJournal.alone(folder).close()
    assert times(folder) == [NOW]
