"""Schemas: made once, by whoever is first, and never one that is too new."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory

from prediction_chunks import NOW, build_chunk
from servers import PostgresServer, find_free_port
from servicio_ml import bootstrap
from servicio_ml.adapters.prediction_log.journal import SqliteJournal
from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase
from servicio_ml.adapters.prediction_log.postgres.log import PostgresPredictionLog
from servicio_ml.adapters.prediction_log.schema import READ_REVISION, REVISIONS, VERSION_TABLE, StoreKind
from servicio_ml.adapters.prediction_log.sqlite_files import get_labels_path
from servicio_ml.adapters.prediction_log.sqlite_log import SqlitePredictionLog
from servicio_ml.errors import JournalError, LogError, SettingsError
from servicio_ml.settings import Settings

NEWER = f"UPDATE {VERSION_TABLE} SET version_num = 'of_next_year'"  # noqa: S608  a constant


@pytest.mark.parametrize("store", list(StoreKind), ids=str)
def test_every_revision_is_known(store: StoreKind) -> None:
    folder = str(files("servicio_ml.adapters.prediction_log.migrations"))
    script = ScriptDirectory(folder, version_locations=[f"{folder}/{store}"])
    assert tuple(each.revision for each in script.walk_revisions())[::-1] == REVISIONS[store]


def set_newer_revision(path: Path) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(NEWER)
    connection.close()


def test_a_newer_journal_is_refused(folder: Path) -> None:
    journal = SqliteJournal.open_exclusive(folder)
    journal.close()
    set_newer_revision(journal.path)
    with pytest.raises(JournalError, match=r"of_next_year.*newer servicio-ml"):
        SqliteJournal.open_exclusive(folder)


def test_an_older_journal_is_read_and_upgraded(folder: Path) -> None:
    journal, made = SqliteJournal.open_exclusive(folder), build_chunk()
    journal.write([made])
    journal.close()
    connection = sqlite3.connect(journal.path)
    with connection:
        connection.execute("DROP TABLE identifier")
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = 'journal_1'")  # noqa: S608  a constant
    connection.close()
    log = SqlitePredictionLog(folder)
    assert list(log.read_chunks("rain", 0, 1e12)) == [made]
    assert not log.find_latest("rain", ["a"])
    journal, more = SqliteJournal.open_exclusive(folder), build_chunk(NOW + 1, identifiers=("a",))
    journal.write([more])
    journal.close()
    assert list(log.read_chunks("rain", 0, 1e12)) == [made, more]


def test_a_newer_file_of_ground_truth_is_refused(folder: Path) -> None:
    SqlitePredictionLog(folder)
    set_newer_revision(get_labels_path(folder))
    with pytest.raises(LogError, match=r"of_next_year.*newer servicio-ml"):
        SqlitePredictionLog(folder)


@pytest.mark.slow
def test_a_newer_database_is_refused(folder: Path, database: str) -> None:
    PostgresPredictionLog(LogDatabase(database), folder)
    with psycopg.connect(database) as connection:
        connection.execute(NEWER.encode())
    with pytest.raises(LogError, match=r"of_next_year.*newer servicio-ml"):
        PostgresPredictionLog(LogDatabase(database), folder)


@pytest.mark.slow
def test_many_start_at_the_same_time(folder: Path, database: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: PostgresPredictionLog(LogDatabase(database), folder), range(6)))
        for journal in pool.map(lambda _: SqliteJournal.open_shared(folder, "stream"), range(6)):
            journal.close()
    with psycopg.connect(database) as connection:
        found = connection.execute(READ_REVISION.encode()).fetchall()
    assert found == [(REVISIONS[StoreKind.POSTGRES][-1],)]


def test_a_prepared_log_is_opened_without_alembic(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, workers=1)
    bootstrap.prepare_log(settings)
    program = (
        "import sys; from servicio_ml import bootstrap; from servicio_ml.settings import load_settings; "
        "bootstrap.open_journal(load_settings()).close(); bootstrap.open_prediction_log(load_settings()); "
        "print({'alembic', 'sqlalchemy', 'psycopg'} & set(sys.modules))"
    )
    environment = {"SERVICIO_ML_STATE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout == "set()\n"


def test_prepared_slots_are_those_the_workers_take(tmp_path: Path) -> None:
    bootstrap.prepare_log(Settings(state_dir=tmp_path, workers=3))
    names = sorted(each.name for each in (tmp_path / "log").glob("*.db"))
    assert names == ["decisions.db", *(f"journal-{number}.db" for number in range(6)), "labels.db"]


def test_a_named_journal(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, log_retention_days=1e9)
    one, two = (bootstrap.open_journal(settings, shared="stream") for _ in range(2))
    one.write([build_chunk(name="7")])
    two.write([build_chunk(NOW + 1, name="7")])
    one.close()
    two.close()
    assert [each.at for each in bootstrap.open_prediction_log(settings).read_chunks("rain", 0, 1e12)] == [NOW]


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("mysql://user:s3cret@host/log", id="mysql"),
        pytest.param("postgresql+psycopg://user:s3cret@host/log", id="sqlalchemy"),
        pytest.param("postgresql://user:s3cret%zz@host/log", id="encoding"),
        pytest.param("postgresql://user:s3cret@host:port/log?s3cret", id="query"),
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(SettingsError, match="SERVICIO_ML_LOG_URL") as caught:
        LogDatabase(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.slow
@pytest.mark.parametrize("password", ["wr%0ng", "s3cret"])
def test_passwords_are_not_reported(postgres: PostgresServer, folder: Path, password: str) -> None:
    log = PostgresPredictionLog
    with pytest.raises(LogError, match=f"127.0.0.1:{postgres.port}/postgres.*password") as caught:
        log(LogDatabase(postgres.build_url(password=password)), folder).find(
            ["01d1a94a-2000-7be6-ab0b-924cb0000000"]
        )
    assert password not in str(caught.value)


def test_a_server_that_is_not_there(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    port = find_free_port()
    log = PostgresPredictionLog(LogDatabase(f"postgresql://someone:s3cret@127.0.0.1:{port}/log"), folder)
    assert "SERVICIO_ML_LOG_URL" in caplog.text
    with pytest.raises(LogError, match=f"127.0.0.1:{port}/log") as caught:
        list(log.read_chunks("rain", 0, 1))
    assert "s3cret" not in caplog.text + str(caught.value)
