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
from typing import Any

import psycopg
import pytest

from chunks import NOW, chunk, ids
from servers import PostgresServer
from services import Watch
from servicio_ml import bootstrap
from servicio_ml.adapters.log import keeper as module
from servicio_ml.adapters.log.connections import Connections
from servicio_ml.adapters.log.journal import SqliteJournal
from servicio_ml.adapters.log.keeper import Keep, Keeper
from servicio_ml.adapters.log.postgres_log import PostgresLog
from servicio_ml.adapters.log.shipper import Shipper
from servicio_ml.adapters.log.slot_file import SlotFile
from servicio_ml.domain.prediction import Chunk, GroundTruth
from servicio_ml.errors import LogError
from servicio_ml.settings import Settings

pytestmark = pytest.mark.slow
TESTS = Path(__file__).parents[2]
DAY = 86_400.0
KILLED = """
    import os, signal, sys
    from pathlib import Path
    from servicio_ml.adapters.log.connections import Connections
    from servicio_ml.adapters.log.journal import SqliteJournal
    from servicio_ml.adapters.log.shipper import Shipper
    from servicio_ml.adapters.log.slot_file import SlotFile

    SlotFile.mark_shipped = lambda self, seq: os.kill(os.getpid(), signal.SIGKILL)
    journal = SqliteJournal.alone(Path(sys.argv[1]))
    Shipper(Connections(sys.argv[2])).ship(SlotFile(journal.path), lambda: True)
"""


@pytest.fixture
def journal(folder: Path) -> Iterator[SqliteJournal]:
    made = SqliteJournal.alone(folder)
    yield made
    made.close()


def keeper(
    journal: SqliteJournal, url: str, *, days: float = 1e6, size: int = 1 << 40, now: float = NOW
) -> Keeper:
    shipper, folder = Shipper(Connections(url)), journal.path.parent
    return Keeper(folder, journal, Keep(seconds=days * DAY, bytes=size), shipper, Watch(now))


def arrived(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [str(each) for (each,) in connection.execute("SELECT prediction_id FROM prediction")]


def every(chunks: list[Chunk]) -> list[str]:
    return sorted(each for made in chunks for each in ids(made))


def test_a_process_killed_before_its_cursor_moved_doubles_nothing(folder: Path, database: str) -> None:
    made = [chunk(NOW + i, 3) for i in range(50)]
    first = SqliteJournal.alone(folder)
    first.write(made)
    first.close()
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(folder), database],
        check=False, env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert sorted(arrived(database)) == every(made)
    second = SqliteJournal.alone(folder)
    more = chunk(NOW + 99)
    second.write([more])
    kept = keeper(second, database)
    kept.cycle()
    second.close()
    assert sorted(arrived(database)) == every([*made, more])
    assert kept.pending() == 0


def test_what_a_dead_process_left_is_shipped_by_another(
    folder: Path, journal: SqliteJournal, database: str
) -> None:
    dead, alive = SqliteJournal.alone(folder), SqliteJournal.alone(folder)
    shared = SqliteJournal.shared(folder, "stream")
    left, others, named = chunk(NOW, 5), chunk(NOW, 7), chunk(NOW, name="message")
    dead.write([left])
    alive.write([others])
    shared.write([named])
    dead.close()
    kept = keeper(journal, database)
    kept.cycle()
    # what is alive ships its own; a shared journal is shipped by anyone
    assert sorted(arrived(database)) == every([left, named])
    assert kept.pending() == 7
    # the slot was let go again
    again = SqliteJournal.alone(folder)
    assert again.path == dead.path
    for each in (again, alive, shared):
        each.close()
    kept.cycle()
    assert sorted(arrived(database)) == every([left, named, others])
    assert kept.pending() == 0


def test_pending_counts_rows_as_they_come_and_go(journal: SqliteJournal, database: str) -> None:
    kept = keeper(journal, database)
    journal.write([chunk(NOW, 2)])
    kept._count()
    journal.write([chunk(NOW, 3), chunk(NOW, 4)])
    kept._count()
    assert kept.pending() == 9
    kept.cycle()
    assert kept.pending() == 0
    journal.write([chunk(NOW, 5)])
    kept._count()
    assert kept.pending() == 5


def test_a_server_that_is_away_for_a_while(
    postgres: PostgresServer, folder: Path, journal: SqliteJournal, database: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    log, kept, made = PostgresLog(Connections(database), folder), keeper(journal, database), [chunk(NOW, 3)]
    journal.write(made)
    kept.cycle()
    postgres.stop()
    try:
        for i in range(1, 4):
            made.append(chunk(NOW + i, 4))
            journal.write(made[-1:])
            kept.cycle()
        assert kept.pending() == 12
        for work in (lambda: log.find(ids(made[0])), lambda: list(log.chunks("rain", 0, 1e12))):
            with pytest.raises(LogError, match="SERVICIO_ML_LOG_URL"):
                work()
    finally:
        postgres.start()
    wait_for(postgres)
    kept.cycle()
    assert sorted(arrived(database)) == every(made)
    assert kept.pending() == 0
    # the log's own connection was cut off
    assert [each.rows for each in log.chunks("rain", 0, 1e12)] == [3, 4, 4, 4]
    assert caplog.text.count("prediction log, shipping:") == 2
    assert "works again" in caplog.text


def test_a_restart_between_two_reads_goes_unnoticed(
    postgres: PostgresServer, folder: Path, database: str
) -> None:
    log = PostgresLog(Connections(database), folder)
    assert list(log.chunks("rain", 0, 1e12)) == []
    postgres.stop()
    postgres.start()
    wait_for(postgres)
    assert list(log.chunks("rain", 0, 1e12)) == []


def wait_for(postgres: PostgresServer) -> None:
    for _ in range(100):
        try:
            psycopg.connect(postgres.url()).close()
        except psycopg.OperationalError:
            threading.Event().wait(0.1)
        else:
            return


def test_a_server_that_is_away_at_the_start(
    postgres: PostgresServer, folder: Path, journal: SqliteJournal, database: str
) -> None:
    postgres.stop()
    try:
        log = PostgresLog(Connections(database), folder)
    finally:
        postgres.start()
    wait_for(postgres)
    journal.write([chunk()])
    keeper(journal, database).cycle()
    assert len(list(log.chunks("rain", 0, 1e12))) == 1


def test_a_prediction_is_known_before_it_is_shipped(
    folder: Path, journal: SqliteJournal, database: str
) -> None:
    log, made = PostgresLog(Connections(database), folder), chunk(NOW, 2)
    journal.write([made])
    assert sorted(log.find(ids(made))) == ids(made)
    (taken,) = log.label([GroundTruth(prediction_id=ids(made)[1], actual=1, at=NOW)])
    assert taken is not None
    assert taken.new
    keeper(journal, database).cycle()
    assert [each.prediction.id for each in log.labelled("rain", 0, 1e12)] == [ids(made)[1]]


def test_what_is_too_old_goes_everywhere(journal: SqliteJournal, database: str) -> None:
    log = PostgresLog(Connections(database), journal.path.parent)
    made = [chunk(NOW + i * DAY, 2, model=model) for i in range(4) for model in ("heart", "rain")]
    journal.write(made)
    keeper(journal, database).cycle()
    log.label([GroundTruth(prediction_id=ids(each)[0], actual=1, at=NOW) for each in made])
    keeper(journal, database, days=10, now=NOW + 11.5 * DAY).cycle()
    assert sorted(arrived(database)) == every(made[4:])
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM ground_truth").fetchone() == (4,)
    file = SlotFile(journal.path)
    assert [each.at for each in file_chunks(file)] == [each.at for each in made[4:]]
    file.close()


def file_chunks(file: SlotFile) -> list[Chunk]:
    file._connection.execute("UPDATE shipped SET seq = 0")
    return [each for _, each in file.unshipped()]


def test_only_shipped_rows_go_for_their_size(
    postgres: PostgresServer, journal: SqliteJournal, database: str
) -> None:
    shipped, waiting = [chunk(NOW + i, 200) for i in range(20)], [chunk(NOW + 99 + i, 200) for i in range(20)]
    journal.write(shipped)
    keeper(journal, database).cycle()
    journal.write(waiting)
    postgres.stop()
    try:
        keeper(journal, database, size=1).cycle()
        file = SlotFile(journal.path)
        assert file_chunks(file) == waiting
        file.close()
    finally:
        postgres.start()
    wait_for(postgres)
    keeper(journal, database).cycle()
    assert sorted(arrived(database)) == every(shipped + waiting)


def test_large_and_many_chunks_of_every_kind(journal: SqliteJournal, database: str) -> None:
    made = [
        chunk(NOW + i, 1 + i % 3, classes=i % 4, version=1 + i % 2, width=1 + i % 5, model=f"é{i % 2}")
        for i in range(5_000)
    ]
    made.append(chunk(NOW, 60_000, width=30))
    journal.write(made)
    keeper(journal, database).cycle()
    assert sorted(arrived(database)) == every(made)
    log = PostgresLog(Connections(database), journal.path.parent)
    for model in ("é0", "é1"):
        assert list(log.chunks(model, 0, 1e12)) == [each for each in made if each.model == model]


def test_closing_ships_what_is_left(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CYCLE_SECONDS", 1e6)
    settings = Settings(state_dir=tmp_path, log_url=database, log_retention_days=1e9)
    journal, made = bootstrap.journal(settings), chunk(NOW, 9)
    journal.write([made])
    journal.close()
    assert sorted(arrived(database)) == every([made])
    assert list(bootstrap.prediction_log(settings).chunks("rain", 0, 1e12)) == [made]


def test_two_keepers_of_one_journal_ship_at_the_same_time(journal: SqliteJournal, database: str) -> None:
    made = [chunk(NOW + i, 5) for i in range(2_000)]
    journal.write(made)
    Connections(database).start()
    files: list[Any] = [SlotFile(journal.path) for _ in range(2)]
    threads = [
        threading.Thread(target=Shipper(Connections(database)).ship, args=(file, lambda: True))
        for file in files
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(arrived(database)) == every(made)
    for file in files:
        assert file.shipped == 2_000
        file.close()
