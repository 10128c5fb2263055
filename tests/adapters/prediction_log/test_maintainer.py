"""The maintainer where the journals are the log: pruning, checkpoints, and going on after every fault."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from prediction_chunks import NOW, build_chunk, list_prediction_ids
from services import ManualClock
from servicio_ml.adapters.prediction_log import maintainer as module
from servicio_ml.adapters.prediction_log.journal import AlternatingJournal, SqliteJournal
from servicio_ml.adapters.prediction_log.journal_file import MAX_BATCH_ROWS, MAX_FREE_PAGES, JournalFile
from servicio_ml.adapters.prediction_log.maintainer import (
    MAX_UNCHECKED_CHUNKS,
    JournalMaintainer,
    MaintainedJournal,
    RetentionLimits,
)
from servicio_ml.adapters.prediction_log.sqlite_files import PAGE_BYTES
from servicio_ml.adapters.prediction_log.sqlite_log import SqlitePredictionLog
from servicio_ml.domain.prediction import GroundTruth

HOUR, DAY, FOR_EVER = 3_600.0, 86_400.0, 1e12
MEBIBYTE = 1 << 20


@pytest.fixture
def journal(folder: Path) -> Iterator[SqliteJournal]:
    made = SqliteJournal.open_exclusive(folder)
    yield made
    made.close()


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 0)
    return ManualClock(NOW)


def create_maintainer(
    journal: SqliteJournal | AlternatingJournal, watch: ManualClock, *, seconds: float = FOR_EVER,
    size: int = 1 << 40,
) -> JournalMaintainer:  # fmt: skip
    folder = journal.files[0].path.parent
    return JournalMaintainer(
        folder, journal, RetentionLimits(max_age_seconds=seconds, max_bytes=size), None, watch
    )


def read_times(folder: Path) -> list[float]:
    return [each.at for each in SqlitePredictionLog(folder).read_chunks("rain", 0, 1e12)]


def measure_wal(journal: SqliteJournal) -> int:
    return journal.path.with_name(f"{journal.path.name}-wal").stat().st_size


def test_what_is_too_old_goes_with_its_ground_truth(
    folder: Path, journal: SqliteJournal, watch: ManualClock
) -> None:
    log = SqlitePredictionLog(folder)
    # also where an older one was written later, and of several models
    made = [build_chunk(NOW + i * DAY, model=model) for i in (2, 0, 3, 1) for model in ("heart", "rain")]
    journal.write(made)
    log.add_ground_truth(
        [GroundTruth(prediction_id=list_prediction_ids(each)[0], actual=1, at=NOW) for each in made]
    )
    watch.now = NOW + 11.5 * DAY
    create_maintainer(journal, watch, seconds=10 * DAY).run_cycle()
    assert read_times(folder) == [NOW + 2 * DAY, NOW + 3 * DAY]
    for model in ("heart", "rain"):
        assert len(list(log.read_ground_truth(model, 0, 1e12))) == 2


def test_identifiers_go_with_their_rows(folder: Path, journal: SqliteJournal, watch: ManualClock) -> None:
    rows = 2 * MAX_BATCH_ROWS + 1
    many = [f"row {place}" for place in range(rows)]
    journal.write([build_chunk(NOW, rows, identifiers=(*many,)), build_chunk(NOW + DAY, identifiers=("a",))])
    watch.now = NOW + 10.5 * DAY
    create_maintainer(journal, watch, seconds=10 * DAY).run_cycle()
    assert read_times(folder) == [NOW + DAY]
    assert set(SqlitePredictionLog(folder).find_latest("rain", [*many, "a"])) == {"a"}
    with closing(sqlite3.connect(journal.path)) as connection:
        assert connection.execute("SELECT count(*) FROM identifier").fetchone() == (1,)
    # its sequence number is given to the next chunk
    watch.now = NOW + 12 * DAY
    create_maintainer(journal, watch, seconds=10 * DAY).run_cycle()
    journal.write([build_chunk(watch.now)])
    assert [chunk.identifiers for chunk in SqlitePredictionLog(folder).read_chunks("rain", 0, 1e12)] == [()]


def test_a_clock_that_is_set_back_deletes_and_hides_nothing(
    folder: Path, journal: SqliteJournal, watch: ManualClock
) -> None:
    log, kept = SqlitePredictionLog(folder), create_maintainer(journal, watch, seconds=10 * DAY)
    for hours in (0, -1, 0.5):
        watch.now = NOW + hours * HOUR
        journal.write([build_chunk(watch.now, 1)])
        kept.run_cycle()
    assert sorted(read_times(folder)) == [NOW - HOUR, NOW, NOW + 0.5 * HOUR]
    # a window goes by the time that was written: the hour that was lived twice is in it once
    assert [each.at for each in log.read_chunks("rain", NOW - HOUR, NOW)] == [NOW - HOUR]
    watch.now = NOW + 10 * DAY - 0.5 * HOUR
    kept.run_cycle()
    assert sorted(read_times(folder)) == [NOW, NOW + 0.5 * HOUR]


def test_the_oldest_go_where_the_size_is_exceeded(
    folder: Path, journal: SqliteJournal, watch: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(1_000):
        journal.write([build_chunk(NOW + i, 100)])
    file = JournalFile(journal.path)
    before = file.used_bytes
    kept = create_maintainer(journal, watch, size=before // 2)
    kept.run_cycle()
    kept.run_cycle()
    found = read_times(folder)
    assert before * 0.4 < file.used_bytes <= before // 2
    file.close()
    assert found == [NOW + i for i in range(1_000 - len(found), 1_000)]
    assert caplog.text.count("SERVICIO_ML_LOG_MAX_BYTES") == 1


def test_every_journal_gives_its_share(folder: Path, journal: SqliteJournal, watch: ManualClock) -> None:
    other = SqliteJournal.open_exclusive(folder)
    for i in range(600):
        journal.write([build_chunk(NOW + i, 100)])
        other.write([build_chunk(NOW + i, 100)])
    other.close()
    total = sum(
        path.used_bytes for path in map(JournalFile, folder.glob("*.db")) if path.path.name != "labels.db"
    )
    create_maintainer(journal, watch, size=total // 2).run_cycle()
    found = read_times(folder)
    assert 0.4 * 1_200 < len(found) <= 600
    assert found.count(NOW + 599) == 2
    assert NOW not in found


def test_a_pruned_file_shrinks(folder: Path, journal: SqliteJournal, watch: ManualClock) -> None:
    for i in range(40):
        journal.write([build_chunk(NOW + i, 20_000)])
    kept = create_maintainer(journal, watch, seconds=DAY)
    kept.run_cycle()
    full = journal.path.stat().st_size
    assert full > 2 * MAX_FREE_PAGES * PAGE_BYTES
    watch.now = NOW + 2 * DAY
    kept.run_cycle()
    kept.run_cycle()
    assert journal.path.stat().st_size <= (MAX_FREE_PAGES + 100) * PAGE_BYTES
    assert read_times(folder) == []


def fill_journal(journal: SqliteJournal, file: JournalFile) -> int:
    """Write some megabytes and make a checkpoint; gives the size of the WAL."""
    for _ in range(4):
        journal.write([build_chunk(NOW, 20_000)])
    file.checkpoint()
    return measure_wal(journal)


def test_the_write_ahead_log_does_not_grow_for_ever(folder: Path, journal: SqliteJournal) -> None:
    with closing(JournalFile(journal.path, journal.lock)) as file:
        sizes = [fill_journal(journal, file) for _ in range(4)]
    assert sizes == sizes[:1] * 4
    assert len(read_times(folder)) == 16


def test_a_reader_in_the_way_costs_the_writer_nothing(folder: Path, journal: SqliteJournal) -> None:
    with (
        closing(JournalFile(journal.path, journal.lock)) as file,
        closing(sqlite3.connect(journal.path)) as reader,
    ):
        first = fill_journal(journal, file)
        reader.execute("BEGIN")
        reader.execute("SELECT 1 FROM chunk").fetchone()
        fill_journal(journal, file)
        grown = fill_journal(journal, file)
        assert grown > first
        reader.execute("ROLLBACK")
        file.checkpoint()
        assert fill_journal(journal, file) == grown
    assert len(read_times(folder)) == 16


def test_a_checkpoint_waits_for_many_rows_or_a_minute(
    journal: SqliteJournal, watch: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 60)
    kept = create_maintainer(journal, watch)
    journal.write([build_chunk(NOW)])
    kept.run_cycle()
    file = journal.path.stat().st_size
    journal.write([build_chunk(NOW, 20_000)])
    kept.run_cycle()
    assert journal.path.stat().st_size == file
    for _ in range(MAX_UNCHECKED_CHUNKS):
        journal.write([build_chunk(NOW)])
    kept.run_cycle()
    assert journal.path.stat().st_size > file


def test_what_comes_after_everything_was_deleted_is_shipped(
    journal: SqliteJournal, watch: ManualClock
) -> None:
    journal.write([build_chunk(NOW), build_chunk(NOW)])
    file = JournalFile(journal.path)
    file.mark_shipped(file.last_seq)
    watch.now = NOW + 2 * DAY
    create_maintainer(journal, watch, seconds=DAY).run_cycle()
    assert file.last_seq == 0
    journal.write([build_chunk(watch.now)])
    assert len(file.read_unshipped()) == 1
    file.close()


def test_a_cursor_never_goes_back(journal: SqliteJournal) -> None:
    journal.write([build_chunk(NOW), build_chunk(NOW + 1)])
    file = JournalFile(journal.path)
    file.mark_shipped(2)
    file.mark_shipped(1)
    assert (file.shipped_seq, file.read_unshipped()) == (2, [])
    file.close()


def test_a_fault_is_logged_once_and_hinders_nothing(
    journal: SqliteJournal,
    watch: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    journal.write([build_chunk(NOW)])
    watch.now = NOW + 2 * DAY
    kept = create_maintainer(journal, watch, seconds=DAY)

    def fail(_file: JournalFile) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "checkpoint", fail)
        for _ in range(3):
            kept.run_cycle()
    assert caplog.text.count("disk I/O error") == 1
    assert read_times(journal.path.parent) == []
    kept.run_cycle()
    assert caplog.text.count("works again") == 1


def test_it_runs_by_itself_and_stops_at_once(
    folder: Path, watch: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycles = threading.Semaphore(0)
    run_cycle: Any = JournalMaintainer.run_cycle

    def count_cycle(self: JournalMaintainer) -> None:
        run_cycle(self)
        cycles.release()

    monkeypatch.setattr(JournalMaintainer, "run_cycle", count_cycle)
    monkeypatch.setattr(module, "CYCLE_SECONDS", 0.01)
    journal = SqliteJournal.open_exclusive(folder)
    kept = MaintainedJournal(journal, create_maintainer(journal, watch))
    kept.write([build_chunk(NOW)])
    assert all(cycles.acquire(timeout=10) for _ in range(3))
    kept.close()
    assert kept.count_pending() == 0
    assert not [each for each in threading.enumerate() if each.name == "servicio-ml-journal-maintainer"]
    assert not journal.path.with_name("journal-0.db-wal").exists()
    SqliteJournal.open_exclusive(folder).close()
    assert read_times(folder) == [NOW]


def test_a_checkpoint_blocks_no_writer_of_two_files(
    folder: Path, watch: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(AlternatingJournal(folder)) as journal:
        checkpoint = JournalFile.checkpoint

        def write_meanwhile(self: JournalFile) -> None:
            # a disk that is slow: the lock of the file is held
            [resting] = [each for each in journal.files if each.path == self.path]
            with resting.lock:
                journal.write([build_chunk(NOW + watch.now)])
            checkpoint(self)

        monkeypatch.setattr(JournalFile, "checkpoint", write_meanwhile)
        maintainer = create_maintainer(journal, watch)
        for number in range(4):
            watch.now = number
            journal.write([build_chunk(NOW - 1 - number)])
            maintainer.run_cycle()
        written = [JournalFile(each.path) for each in journal.files]
        assert [each.last_seq for each in written] == [4, 4]
        for each in written:
            each.close()
    assert read_times(folder) == [NOW + each for each in (-4, -3, -2, -1, 0, 1, 2, 3)]


def test_the_last_cycle_checkpoints_both_files(folder: Path, watch: ManualClock) -> None:
    journal = AlternatingJournal(folder)
    kept = MaintainedJournal(journal, create_maintainer(journal, watch))
    for each in journal.files:
        each.write([build_chunk(NOW)])
    kept.close()
    assert not [*folder.glob("*.db-wal")]
    # a restarted process continues both
    again = AlternatingJournal(folder)
    assert [each.path for each in again.files] == [each.path for each in journal.files]
    again.close()


def test_the_write_after_a_checkpoint_waits_for_no_disk(journal: SqliteJournal) -> None:
    journal.write([build_chunk(NOW)])
    with closing(JournalFile(journal.path, journal.lock)) as file:
        file.checkpoint()
    # a new header was written, which SQLite syncs, before the next chunk comes
    wal = journal.path.with_name(f"{journal.path.name}-wal")
    header = wal.read_bytes()[:32]
    journal.write([build_chunk(NOW)])
    assert wal.read_bytes()[:32] == header
