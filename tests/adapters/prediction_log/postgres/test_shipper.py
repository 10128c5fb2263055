"""Rows arrive in PostgreSQL exactly once, whatever ends or is away in between."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from prediction_chunks import NOW, build_chunk, list_prediction_ids
from servers import PostgresServer
from services import ManualClock
from servicio_ml import bootstrap
from servicio_ml.adapters.prediction_log import maintainer as module
from servicio_ml.adapters.prediction_log.journal import SqliteJournal
from servicio_ml.adapters.prediction_log.journal_file import JournalFile
from servicio_ml.adapters.prediction_log.maintainer import JournalMaintainer, RetentionLimits
from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase
from servicio_ml.adapters.prediction_log.postgres.log import PostgresPredictionLog
from servicio_ml.adapters.prediction_log.postgres.shipper import Shipper
from servicio_ml.domain.prediction import Chunk, GroundTruth
from servicio_ml.errors import LogError
from servicio_ml.settings import Settings

pytestmark = pytest.mark.slow
TESTS = Path(__file__).parents[3]
DAY = 86_400.0
KILLED = """
    import os, signal, sys
    from pathlib import Path
    from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase
    from servicio_ml.adapters.prediction_log.journal import SqliteJournal
    from servicio_ml.adapters.prediction_log.postgres.shipper import Shipper
    from servicio_ml.adapters.prediction_log.journal_file import JournalFile

    JournalFile.mark_shipped = lambda self, seq: os.kill(os.getpid(), signal.SIGKILL)
    journal = SqliteJournal.open_exclusive(Path(sys.argv[1]))
    Shipper(LogDatabase(sys.argv[2])).ship(JournalFile(journal.path), lambda: True)
"""


@pytest.fixture
def journal(folder: Path) -> Iterator[SqliteJournal]:
    made = SqliteJournal.open_exclusive(folder)
    yield made
    made.close()


def create_maintainer(
    journal: SqliteJournal, url: str, *, days: float = 1e6, size: int = 1 << 40, now: float = NOW
) -> JournalMaintainer:
    shipper, folder = Shipper(LogDatabase(url)), journal.path.parent
    return JournalMaintainer(
        folder,
        journal,
        RetentionLimits(max_age_seconds=days * DAY, max_bytes=size),
        shipper,
        ManualClock(now),
    )


def read_arrived_ids(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [str(each) for (each,) in connection.execute("SELECT prediction_id FROM prediction")]


def collect_ids(chunks: list[Chunk]) -> list[str]:
    return sorted(each for made in chunks for each in list_prediction_ids(made))


def test_a_process_killed_before_its_cursor_moved_doubles_nothing(folder: Path, database: str) -> None:
    made = [build_chunk(NOW + i, 3, identifiers=("a", None, f"row {i}")) for i in range(50)]
    first = SqliteJournal.open_exclusive(folder)
    first.write(made)
    first.close()
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(folder), database],
        check=False, env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert sorted(read_arrived_ids(database)) == collect_ids(made)
    second = SqliteJournal.open_exclusive(folder)
    more = build_chunk(NOW + 99)
    second.write([more])
    kept = create_maintainer(second, database)
    kept.run_cycle()
    second.close()
    assert sorted(read_arrived_ids(database)) == collect_ids([*made, more])
    assert kept.count_pending() == 0
    assert [*PostgresPredictionLog(LogDatabase(database), folder).read_chunks("rain", 0, 1e12)] == [
        *made,
        more,
    ]


def test_what_a_dead_process_left_is_shipped_by_another(
    folder: Path, journal: SqliteJournal, database: str
) -> None:
    dead, alive = SqliteJournal.open_exclusive(folder), SqliteJournal.open_exclusive(folder)
    shared = SqliteJournal.open_shared(folder, "stream")
    left, others, named = build_chunk(NOW, 5), build_chunk(NOW, 7), build_chunk(NOW, name="message")
    dead.write([left])
    alive.write([others])
    shared.write([named])
    dead.close()
    kept = create_maintainer(journal, database)
    kept.run_cycle()
    # what is alive ships its own; a shared journal is shipped by anyone
    assert sorted(read_arrived_ids(database)) == collect_ids([left, named])
    assert kept.count_pending() == 7
    # the lease was released again
    again = SqliteJournal.open_exclusive(folder)
    assert again.path == dead.path
    for each in (again, alive, shared):
        each.close()
    kept.run_cycle()
    assert sorted(read_arrived_ids(database)) == collect_ids([left, named, others])
    assert kept.count_pending() == 0


def test_pending_counts_rows_as_they_come_and_go(journal: SqliteJournal, database: str) -> None:
    kept = create_maintainer(journal, database)
    journal.write([build_chunk(NOW, 2)])
    kept._update_pending()
    journal.write([build_chunk(NOW, 3), build_chunk(NOW, 4)])
    kept._update_pending()
    assert kept.count_pending() == 9
    kept.run_cycle()
    assert kept.count_pending() == 0
    journal.write([build_chunk(NOW, 5)])
    kept._update_pending()
    assert kept.count_pending() == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_server_that_is_away_for_a_while(
    postgres: PostgresServer, folder: Path, journal: SqliteJournal, database: str,
    caplog: pytest.LogCaptureFixture, number: signal.Signals,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    log, kept, made = (
        PostgresPredictionLog(LogDatabase(database), folder),
        create_maintainer(journal, database),
        [build_chunk(NOW, 3)],
    )
    journal.write(made)
    kept.run_cycle()
    postgres.stop(number)
    try:
        for i in range(1, 4):
            made.append(build_chunk(NOW + i, 4))
            journal.write(made[-1:])
            kept.run_cycle()
        assert kept.count_pending() == 12
        for work in (
            lambda: log.find(list_prediction_ids(made[0])),
            lambda: list(log.read_chunks("rain", 0, 1e12)),
        ):
            with pytest.raises(LogError, match="SERVICIO_ML_LOG_URL"):
                work()
    finally:
        postgres.start()
    wait_for(postgres)
    kept.run_cycle()
    assert sorted(read_arrived_ids(database)) == collect_ids(made)
    assert kept.count_pending() == 0
    # the log's own connection was cut off
    assert [each.rows for each in log.read_chunks("rain", 0, 1e12)] == [3, 4, 4, 4]
    assert caplog.text.count("prediction log, shipping:") == 2
    assert "works again" in caplog.text


@pytest.mark.parametrize("fault", ["locked", "disk full"])
def test_a_table_that_is_locked_or_has_no_room_loses_and_stops_nothing(
    journal: SqliteJournal, database: str, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    made, kept = [build_chunk(NOW, 3)], create_maintainer(journal, database)
    journal.write(made)
    kept.run_cycle()
    made.append(build_chunk(NOW + 1, 4))
    journal.write(made[-1:])
    with psycopg.connect(database) as other:
        if fault == "locked":
            other.execute("LOCK TABLE prediction")
        else:
            # what PostgreSQL raises where its disk is full
            raising = "BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END"
            other.execute(
                f"CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $${raising}$$".encode()
            )
            other.execute("CREATE TRIGGER no_room BEFORE INSERT ON prediction EXECUTE FUNCTION fill()")
            other.commit()
        kept.run_cycle()
        assert kept.count_pending() == 4
        assert ("lock timeout" if fault == "locked" else "no space left") in caplog.text
        if fault == "disk full":
            other.execute("DROP TRIGGER no_room ON prediction")
    kept.run_cycle()
    assert sorted(read_arrived_ids(database)) == collect_ids(made)
    assert kept.count_pending() == 0


def test_a_restart_between_two_reads_goes_unnoticed(
    postgres: PostgresServer, folder: Path, database: str
) -> None:
    log = PostgresPredictionLog(LogDatabase(database), folder)
    assert list(log.read_chunks("rain", 0, 1e12)) == []
    postgres.stop()
    postgres.start()
    wait_for(postgres)
    assert list(log.read_chunks("rain", 0, 1e12)) == []


def wait_for(postgres: PostgresServer) -> None:
    for _ in range(100):
        try:
            psycopg.connect(postgres.build_url()).close()
        except psycopg.OperationalError:
            threading.Event().wait(0.1)
        else:
            return


def test_a_server_that_is_away_at_the_start(
    postgres: PostgresServer, folder: Path, journal: SqliteJournal, database: str
) -> None:
    postgres.stop()
    try:
        log = PostgresPredictionLog(LogDatabase(database), folder)
    finally:
        postgres.start()
    wait_for(postgres)
    journal.write([build_chunk()])
    create_maintainer(journal, database).run_cycle()
    assert len(list(log.read_chunks("rain", 0, 1e12))) == 1


def test_a_prediction_is_known_before_it_is_shipped(
    folder: Path, journal: SqliteJournal, database: str
) -> None:
    log, made = PostgresPredictionLog(LogDatabase(database), folder), build_chunk(NOW, 2)
    journal.write([made])
    assert sorted(log.find(list_prediction_ids(made))) == list_prediction_ids(made)
    (taken,) = log.add_ground_truth(
        [GroundTruth(prediction_id=list_prediction_ids(made)[1], actual=1, at=NOW)]
    )
    assert taken is not None
    assert taken.new
    create_maintainer(journal, database).run_cycle()
    assert [each.prediction.id for each in log.read_ground_truth("rain", 0, 1e12)] == [
        list_prediction_ids(made)[1]
    ]


def test_what_is_too_old_goes_everywhere(journal: SqliteJournal, database: str) -> None:
    log = PostgresPredictionLog(LogDatabase(database), journal.path.parent)
    made = [
        build_chunk(NOW + i * DAY, 2, model=model, identifiers=("a", f"row {i}"))
        for i in range(4)
        for model in ("heart", "rain")
    ]
    journal.write(made)
    create_maintainer(journal, database).run_cycle()
    log.add_ground_truth(
        [GroundTruth(prediction_id=list_prediction_ids(each)[0], actual=1, at=NOW) for each in made]
    )
    create_maintainer(journal, database, days=10, now=NOW + 11.5 * DAY).run_cycle()
    assert sorted(read_arrived_ids(database)) == collect_ids(made[4:])
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM ground_truth").fetchone() == (4,)
        assert connection.execute("SELECT count(*) FROM identifier").fetchone() == (8,)
    assert set(log.find_latest("rain", ["a", *(f"row {i}" for i in range(4))])) == {"a", "row 2", "row 3"}
    file = JournalFile(journal.path)
    assert [each.at for each in read_file_chunks(file)] == [each.at for each in made[4:]]
    file.close()


def read_file_chunks(file: JournalFile) -> list[Chunk]:
    file._connection.execute("UPDATE shipped SET seq = 0")
    return [each for _, each in file.read_unshipped()]


def test_only_shipped_rows_go_for_their_size(
    postgres: PostgresServer, journal: SqliteJournal, database: str
) -> None:
    shipped, waiting = (
        [build_chunk(NOW + i, 200) for i in range(20)],
        [build_chunk(NOW + 99 + i, 200) for i in range(20)],
    )
    journal.write(shipped)
    create_maintainer(journal, database).run_cycle()
    journal.write(waiting)
    postgres.stop()
    try:
        create_maintainer(journal, database, size=1).run_cycle()
        file = JournalFile(journal.path)
        assert read_file_chunks(file) == waiting
        file.close()
    finally:
        postgres.start()
    wait_for(postgres)
    create_maintainer(journal, database).run_cycle()
    assert sorted(read_arrived_ids(database)) == collect_ids(shipped + waiting)


def test_large_and_many_chunks_of_every_kind(journal: SqliteJournal, database: str) -> None:
    made = [
        build_chunk(NOW + i, 1 + i % 3, classes=i % 4, version=1 + i % 2, width=1 + i % 5, model=f"é{i % 2}")
        for i in range(5_000)
    ]
    texts = tuple(None if place % 7 else f"row {place}" for place in range(60_000))
    made.append(build_chunk(NOW, 60_000, width=30, identifiers=texts))
    journal.write(made)
    create_maintainer(journal, database).run_cycle()
    assert sorted(read_arrived_ids(database)) == collect_ids(made)
    log = PostgresPredictionLog(LogDatabase(database), journal.path.parent)
    for model in ("é0", "é1"):
        assert list(log.read_chunks(model, 0, 1e12)) == [each for each in made if each.model == model]


def test_closing_ships_what_is_left(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CYCLE_SECONDS", 1e6)
    settings = Settings(state_dir=tmp_path, log_url=database, log_retention_days=1e9)
    journal, made = bootstrap.open_journal(settings), build_chunk(NOW, 9)
    journal.write([made])
    journal.close()
    assert sorted(read_arrived_ids(database)) == collect_ids([made])
    assert list(bootstrap.open_prediction_log(settings).read_chunks("rain", 0, 1e12)) == [made]


def test_two_maintainers_of_one_journal_ship_at_the_same_time(journal: SqliteJournal, database: str) -> None:
    made = [build_chunk(NOW + i, 5) for i in range(2_000)]
    journal.write(made)
    LogDatabase(database).prepare_schema()
    files = [JournalFile(journal.path) for _ in range(2)]
    threads = [
        threading.Thread(target=Shipper(LogDatabase(database)).ship, args=(file, lambda: True))
        for file in files
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(read_arrived_ids(database)) == collect_ids(made)
    for file in files:
        assert file.shipped_seq == 2_000
        file.close()
