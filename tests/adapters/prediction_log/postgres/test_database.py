"""Transactions over the pool: connections are reused, limited, and closed with their database."""

import threading

import psycopg
import pytest

from servers import PostgresServer
from servicio_ml.adapters.prediction_log.postgres import database as module
from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase, PgConnection
from servicio_ml.errors import LogError

pytestmark = pytest.mark.slow


def read_process_id(connection: PgConnection) -> int:
    return connection.info.backend_pid


def test_a_connection_is_used_again(database: str) -> None:
    log_database = LogDatabase(database)
    first = log_database.run_in_transaction(read_process_id)
    assert log_database.run_in_transaction(read_process_id) == first
    log_database.close()
    assert log_database.run_in_transaction(read_process_id) != first
    log_database.close()


def test_a_failed_transaction_is_rolled_back_and_its_connection_stays_usable(database: str) -> None:
    log_database = LogDatabase(database)
    first = log_database.run_in_transaction(read_process_id)

    def fail(connection: PgConnection) -> None:
        connection.execute("CREATE TABLE half_done ()")
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        log_database.run_in_transaction(fail)
    assert log_database.run_in_transaction(read_process_id) == first
    with pytest.raises(LogError, match="half_done"):
        log_database.run_in_transaction(lambda connection: connection.execute("SELECT FROM half_done"))
    log_database.close()


def test_an_exhausted_pool_is_an_error(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    log_database, entered, leave = LogDatabase(database), threading.Event(), threading.Event()

    def hold(_: PgConnection) -> None:
        entered.set()
        leave.wait(30)

    thread = threading.Thread(target=log_database.run_in_transaction, args=(hold,))
    thread.start()
    assert entered.wait(30)
    with pytest.raises(LogError, match="couldn't get a connection"):
        log_database.run_in_transaction(read_process_id)
    leave.set()
    thread.join()
    assert log_database.run_in_transaction(read_process_id)
    log_database.close()


def test_a_server_that_went_away_is_named_with_its_reason(
    postgres: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.5)
    log_database = LogDatabase(database)
    log_database.run_in_transaction(read_process_id)
    postgres.stop()
    try:
        for _ in range(2):
            with pytest.raises(LogError, match=r"Connection refused.*SERVICIO_ML_LOG_URL"):
                log_database.run_in_transaction(read_process_id)
    finally:
        postgres.start()
    assert log_database.run_in_transaction(read_process_id)
    log_database.close()


def test_a_database_that_nobody_closed_leaves_no_connection(postgres: PostgresServer, database: str) -> None:
    log_database = LogDatabase(database)
    process_id = log_database.run_in_transaction(read_process_id)
    del log_database
    found = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    with psycopg.connect(postgres.build_url(), autocommit=True) as connection:
        for _ in range(100):
            if connection.execute(found, (process_id,)).fetchone() == (0,):
                return
            threading.Event().wait(0.05)
    pytest.fail("the connection is still open")
