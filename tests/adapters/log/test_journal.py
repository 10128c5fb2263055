"""The journal: slots, what outlives a process, and a disk that is full."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chunks import NOW, chunk, ids
from servicio_ml.adapters.log.files import slot_paths
from servicio_ml.adapters.log.journal import SqliteJournal
from servicio_ml.adapters.log.slot_file import SlotFile
from servicio_ml.adapters.log.sqlite_log import SqliteLog
from servicio_ml.errors import JournalError

TESTS = Path(__file__).parents[2]
WRITER = """
    import sys
    from itertools import count
    from pathlib import Path
    from chunks import NOW, chunk, ids
    from servicio_ml.adapters.log.journal import SqliteJournal

    journal = SqliteJournal.alone(Path(sys.argv[1]))
    for i in count():
        made = [chunk(NOW + i, 2)] * (1 + i % 2)
        journal.write(made)
        print(journal.path.name, *ids(made[0]), flush=True)
"""
FILE_LIMIT = """
    import resource, sys
    from pathlib import Path
    from chunks import NOW, chunk, ids
    from servicio_ml.adapters.log.journal import SqliteJournal
    from servicio_ml.adapters.log.sqlite_log import SqliteLog
    from servicio_ml.errors import JournalError

    folder = Path(sys.argv[1])
    journal, log, written = SqliteJournal.alone(folder), SqliteLog(folder), []
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    try:
        for i in range(10_000):
            made = chunk(NOW + i, 20)
            journal.write([made])
            written += ids(made)
    except JournalError as error:
        assert "journal-0.db" in str(error) and "make room" in str(error), error
    else:
        sys.exit("it was never full")
    for _ in range(3):
        try:
            journal.write([chunk(NOW, 9_000), chunk(NOW, 9_000)])
            sys.exit("it has room")
        except JournalError:
            pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for i in range(100):
        made = chunk(NOW + i, 20)
        journal.write([made])
        written += ids(made)
    assert set(log.find(written)) == set(written)
    rows = sum(each.rows for each in log.chunks("rain", 0, 1e12))
    assert rows == len(written), (rows, len(written))
    print("recovered")
"""


def python(program: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip


@pytest.fixture
def journal(folder: Path) -> Iterator[SqliteJournal]:
    made = SqliteJournal.alone(folder)
    yield made
    made.close()


def rows(folder: Path) -> int:
    return sum(each.rows for each in SqliteLog(folder).chunks("rain", 0, 1e12))


def test_two_processes_take_two_slots(folder: Path, journal: SqliteJournal) -> None:
    other = python(WRITER, folder)
    assert other.stdout is not None
    assert other.stdout.readline().startswith("journal-1.db")
    other.kill()
    other.communicate()
    assert journal.path.name == "journal-0.db"


def test_a_closed_slot_is_taken_again(folder: Path, journal: SqliteJournal) -> None:
    journal.write([chunk()])
    journal.close()
    again = SqliteJournal.alone(folder)
    again.write([chunk()])
    again.close()
    assert slot_paths(folder) == [folder / "journal-0.db"]
    assert rows(folder) == 2


@pytest.mark.slow
def test_a_killed_process_loses_nothing_it_acknowledged(folder: Path) -> None:
    acknowledged = list[str]()
    for _ in range(5):
        process = python(WRITER, folder)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        process.communicate()
        whole = [line for line in lines if line.endswith("\n")]
        assert {line.split()[0] for line in whole} == {"journal-0.db"}
        acknowledged += [each for line in whole for each in line.split()[1:]]
    assert len(acknowledged) >= 2_000
    assert set(SqliteLog(folder).find(acknowledged)) == set(acknowledged)


@pytest.mark.slow
def test_a_full_disk_is_an_error_and_not_for_ever(folder: Path) -> None:
    output, errors = python(FILE_LIMIT, folder).communicate(timeout=120)
    assert output == "recovered\n", errors


def test_a_limit_of_pages_is_a_full_disk(folder: Path, journal: SqliteJournal) -> None:
    connection = journal._connection
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 40")
    with pytest.raises(JournalError, match="full"):
        journal.write([chunk(NOW, 900), chunk(NOW, 900)])
    journal.write([chunk(NOW)])
    connection.execute("PRAGMA max_page_count = 1000000")
    journal.write([chunk(NOW, 900), chunk(NOW, 900)])
    assert rows(folder) == 1801


def test_several_chunks_are_written_all_or_none(folder: Path, journal: SqliteJournal) -> None:
    connection = journal._connection
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 40")
    with pytest.raises(JournalError):
        journal.write([chunk(NOW), chunk(NOW, 900), chunk(NOW, 900), chunk(NOW, 900)])
    assert rows(folder) == 0


def test_a_broken_connection_is_opened_again(folder: Path, journal: SqliteJournal) -> None:
    connection = journal._connection
    assert connection is not None
    connection.close()
    with pytest.raises(JournalError):
        journal.write([chunk()])
    journal.write([chunk()])
    assert rows(folder) == 1


def test_a_shared_journal_that_is_busy_for_long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servicio_ml.adapters.log.journal.BUSY_SECONDS", 0.05)
    shared = SqliteJournal.shared(folder, "stream")
    other = sqlite3.connect(shared.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="locked"):
        shared.write([chunk()])
    other.execute("ROLLBACK")
    shared.write([chunk()])
    other.close()
    shared.close()
    assert rows(folder) == 1


def test_a_shared_journal_logs_a_message_once(folder: Path) -> None:
    one, two = (SqliteJournal.shared(folder, "stream") for _ in range(2))
    one.write([chunk(name="7")])
    two.write([chunk(NOW + 1, name="7"), chunk(NOW + 1, name="8")])
    one.close()
    two.close()
    assert sorted(each.at for each in SqliteLog(folder).chunks("rain", 0, 1e12)) == [NOW, NOW + 1]


def test_threads_write_at_the_same_time(folder: Path, journal: SqliteJournal) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: journal.write([chunk(NOW + i)] * (1 + i % 2)), range(400)))
    assert rows(folder) == 400


def test_windows_go_over_all_journals(folder: Path, journal: SqliteJournal) -> None:
    other = SqliteJournal.alone(folder)
    for i in range(6):
        (journal, other)[i % 2].write([chunk(NOW + i)])
    other.close()
    found = list(SqliteLog(folder).chunks("rain", 0, 1e12))
    assert [each.at - NOW for each in found] == list(range(6))


def test_a_reader_sees_what_is_written_meanwhile(folder: Path, journal: SqliteJournal) -> None:
    log = SqliteLog(folder)
    made = [chunk(NOW + i, 20_000, width=30) for i in range(4)]
    journal.write(made[:2])
    window = log.chunks("rain", 0, 1e12)
    assert next(window) == made[0]
    journal.write(made[2:])
    # no snapshot is held between two pages
    file = SlotFile(journal.path, journal.lock)
    file.checkpoint()
    file.close()
    assert list(window) == made[1:]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"file/log.*SERVICIO_ML_STATE_DIR"):
        SqliteJournal.alone(tmp_path / "file" / "log")


def test_a_file_that_is_no_database(folder: Path) -> None:
    folder.mkdir()
    (folder / "journal-0.db").write_bytes(b"no database at all" * 300)
    with pytest.raises(JournalError, match="not a database"):
        SqliteJournal.alone(folder)
    # the slot was let go
    (folder / "journal-0.db").unlink()
    SqliteJournal.alone(folder).close()


def test_an_id_is_found_in_a_chunk_of_a_sample(folder: Path, journal: SqliteJournal) -> None:
    made = chunk(places=[5, 6, 9])
    journal.write([made])
    assert list(SqliteLog(folder).find(ids(made))) == ids(made)
