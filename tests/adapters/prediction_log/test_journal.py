"""The journal: leases, what outlives a process, and a disk that is full."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path

import pytest

from prediction_chunks import NOW, build_chunk, list_prediction_ids
from servicio_ml.adapters.prediction_log.journal import SqliteJournal
from servicio_ml.adapters.prediction_log.journal_file import JournalFile
from servicio_ml.adapters.prediction_log.sqlite_files import list_journals
from servicio_ml.adapters.prediction_log.sqlite_log import SqlitePredictionLog
from servicio_ml.errors import JournalError

NOBODY = 65534
TESTS = Path(__file__).parents[2]
WRITER = """
    import sys
    from itertools import count
    from pathlib import Path
    from prediction_chunks import NOW, build_chunk, list_prediction_ids
    from servicio_ml.adapters.prediction_log.journal import SqliteJournal

    journal = SqliteJournal.open_exclusive(Path(sys.argv[1]))
    for i in count():
        made = [build_chunk(NOW + i, 2, identifiers=(None, f"row_{i}"))] * (1 + i % 2)
        journal.write(made)
        print(journal.path.name, *list_prediction_ids(made[0]), made[0].identifiers[1], flush=True)
"""
FILE_LIMIT = """
    import resource, sys
    from pathlib import Path
    from prediction_chunks import NOW, build_chunk, list_prediction_ids
    from servicio_ml.adapters.prediction_log.journal import SqliteJournal
    from servicio_ml.adapters.prediction_log.sqlite_log import SqlitePredictionLog
    from servicio_ml.errors import JournalError

    folder = Path(sys.argv[1])
    journal, log, written = SqliteJournal.open_exclusive(folder), SqlitePredictionLog(folder), []
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    try:
        for i in range(10_000):
            made = build_chunk(NOW + i, 20)
            journal.write([made])
            written += list_prediction_ids(made)
    except JournalError as error:
        assert "journal-0.db" in str(error) and "make room" in str(error), error
    else:
        sys.exit("it was never full")
    for _ in range(3):
        try:
            journal.write([build_chunk(NOW, 9_000), build_chunk(NOW, 9_000)])
            sys.exit("it has room")
        except JournalError:
            pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for i in range(100):
        made = build_chunk(NOW + i, 20)
        journal.write([made])
        written += list_prediction_ids(made)
    assert set(log.find(written)) == set(written)
    rows = sum(each.rows for each in log.read_chunks("rain", 0, 1e12))
    assert rows == len(written), (rows, len(written))
    print("recovered")
"""


def start_python(program: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip


@pytest.fixture
def journal(folder: Path) -> Iterator[SqliteJournal]:
    made = SqliteJournal.open_exclusive(folder)
    yield made
    made.close()


def count_rows(folder: Path) -> int:
    return sum(each.rows for each in SqlitePredictionLog(folder).read_chunks("rain", 0, 1e12))


def test_two_processes_take_two_slots(folder: Path, journal: SqliteJournal) -> None:
    other = start_python(WRITER, folder)
    assert other.stdout is not None
    assert other.stdout.readline().startswith("journal-1.db")
    other.kill()
    other.communicate()
    assert journal.path.name == "journal-0.db"


def test_a_closed_slot_is_taken_again(folder: Path, journal: SqliteJournal) -> None:
    journal.write([build_chunk()])
    journal.close()
    again = SqliteJournal.open_exclusive(folder)
    again.write([build_chunk()])
    again.close()
    assert list_journals(folder) == [folder / "journal-0.db"]
    assert count_rows(folder) == 2


@pytest.mark.slow
def test_a_killed_process_loses_nothing_it_acknowledged(folder: Path) -> None:
    acknowledged, identifiers = list[str](), list[str]()
    for _ in range(5):
        process = start_python(WRITER, folder)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        process.communicate()
        complete = [line for line in lines if line.endswith("\n")]
        assert {line.split()[0] for line in complete} == {"journal-0.db"}
        for _, *ids, text in map(str.split, complete):
            acknowledged += ids
            identifiers.append(text)
    assert len(acknowledged) >= 2_000
    log = SqlitePredictionLog(folder)
    assert set(log.find(acknowledged)) == set(acknowledged)
    found = log.find_latest("rain", identifiers)
    assert [found[text].id for text in identifiers] == acknowledged[1::2]
    # also of what was not acknowledged: both or none
    assert () not in [*map(attrgetter("identifiers"), log.read_chunks("rain", 0, 1e12))]


@pytest.mark.slow
def test_a_full_disk_is_an_error_and_not_for_ever(folder: Path) -> None:
    output, errors = start_python(FILE_LIMIT, folder).communicate(timeout=120)
    assert output == "recovered\n", errors


def test_a_limit_of_pages_is_a_full_disk(folder: Path, journal: SqliteJournal) -> None:
    connection = journal._connection
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 40")
    with pytest.raises(JournalError, match="full"):
        journal.write([build_chunk(NOW, 900), build_chunk(NOW, 900)])
    journal.write([build_chunk(NOW)])
    connection.execute("PRAGMA max_page_count = 1000000")
    journal.write([build_chunk(NOW, 900), build_chunk(NOW, 900)])
    assert count_rows(folder) == 1801


def test_several_chunks_are_written_all_or_none(folder: Path, journal: SqliteJournal) -> None:
    connection = journal._connection
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 40")
    with pytest.raises(JournalError):
        journal.write([build_chunk(NOW), build_chunk(NOW, 900), build_chunk(NOW, 900), build_chunk(NOW, 900)])
    assert count_rows(folder) == 0


def test_a_broken_connection_is_opened_again(folder: Path, journal: SqliteJournal) -> None:
    connection = journal._connection
    assert connection is not None
    connection.close()
    with pytest.raises(JournalError):
        journal.write([build_chunk()])
    journal.write([build_chunk()])
    assert count_rows(folder) == 1


def test_a_shared_journal_that_is_busy_for_long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servicio_ml.adapters.prediction_log.journal.BUSY_SECONDS", 0.05)
    shared = SqliteJournal.open_shared(folder, "stream")
    other = sqlite3.connect(shared.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="locked"):
        shared.write([build_chunk()])
    other.execute("ROLLBACK")
    shared.write([build_chunk()])
    other.close()
    shared.close()
    assert count_rows(folder) == 1


def test_a_shared_journal_logs_a_message_once(folder: Path) -> None:
    one, two = (SqliteJournal.open_shared(folder, "stream") for _ in range(2))
    one.write([build_chunk(name="7")])
    two.write([build_chunk(NOW + 1, name="7"), build_chunk(NOW + 1, name="8")])
    one.close()
    two.close()
    assert sorted(each.at for each in SqlitePredictionLog(folder).read_chunks("rain", 0, 1e12)) == [
        NOW,
        NOW + 1,
    ]


def test_threads_write_at_the_same_time(folder: Path, journal: SqliteJournal) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: journal.write([build_chunk(NOW + i)] * (1 + i % 2)), range(400)))
    assert count_rows(folder) == 400


def test_windows_go_over_all_journals(folder: Path, journal: SqliteJournal) -> None:
    other = SqliteJournal.open_exclusive(folder)
    for i in range(6):
        (journal, other)[i % 2].write([build_chunk(NOW + i)])
    other.close()
    found = list(SqlitePredictionLog(folder).read_chunks("rain", 0, 1e12))
    assert [each.at - NOW for each in found] == list(range(6))


def test_a_reader_sees_what_is_written_meanwhile(folder: Path, journal: SqliteJournal) -> None:
    log = SqlitePredictionLog(folder)
    made = [build_chunk(NOW + i, 20_000, width=30) for i in range(4)]
    journal.write(made[:2])
    window = log.read_chunks("rain", 0, 1e12)
    assert next(window) == made[0]
    journal.write(made[2:])
    # no snapshot is held between two pages
    file = JournalFile(journal.path, journal.lock)
    file.checkpoint()
    file.close()
    assert list(window) == made[1:]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"file/log.*SERVICIO_ML_STATE_DIR"):
        SqliteJournal.open_exclusive(tmp_path / "file" / "log")


@pytest.mark.parametrize("content", ["nothing", "a journal"])
def test_a_folder_that_may_not_be_written(content: str) -> None:
    # pytest's own folders are closed to other users
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if content == "a journal":
            SqliteJournal.open_exclusive(folder).close()
        folder.chmod(0o555)
        for each in folder.iterdir():
            each.chmod(0o444)
        with run_as_nobody(), pytest.raises(JournalError, match=f"{name}.*SERVICIO_ML_STATE_DIR"):
            SqliteJournal.open_exclusive(folder)
        folder.chmod(0o755)


@contextmanager
def run_as_nobody() -> Iterator[None]:
    """Run without the rights of root, which may write anywhere."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_file_that_is_no_database(folder: Path) -> None:
    folder.mkdir()
    (folder / "journal-0.db").write_bytes(b"no database at all" * 300)
    with pytest.raises(JournalError, match="not a database"):
        SqliteJournal.open_exclusive(folder)
    # the lease was released
    (folder / "journal-0.db").unlink()
    SqliteJournal.open_exclusive(folder).close()


def test_an_id_is_found_in_a_chunk_of_a_sample(folder: Path, journal: SqliteJournal) -> None:
    made = build_chunk(places=[5, 6, 9])
    journal.write([made])
    assert list(SqlitePredictionLog(folder).find(list_prediction_ids(made))) == list_prediction_ids(made)
