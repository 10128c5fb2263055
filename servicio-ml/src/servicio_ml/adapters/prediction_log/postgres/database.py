"""The PostgreSQL database of the logs: its schema, and transactions over a pool of connections."""

import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from servicio_ml.adapters.prediction_log.schema import (
    READ_REVISION,
    NewerSchemaError,
    StoreKind,
    is_newest,
    upgrade,
)
from servicio_ml.errors import LogError, SettingsError

logger = logging.getLogger(__name__)
# The pool logs failed attempts from its own thread, once for each; `run_in_transaction` raises their reason.
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
Result = TypeVar("Result")
PgConnection = psycopg.Connection[tuple[Any, ...]]
SETTING = "SERVICIO_ML_LOG_URL"
MAX_CONNECTIONS = 16
WAIT_SECONDS = 5.0
"""Maximum wait for a free connection."""
SET_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"
"""Without it a table that somebody has locked would stop the maintainer and every reader, without a word."""
CONNECTION_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 3,  # seconds
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 3,
    "application_name": "servicio-ml",
}
"""Parameters unless the address sets them: a server that is gone is noticed soon."""
MIGRATION_LOCK = 0x5E_41_C1_0
"""Key of the advisory lock under which one process upgrades the schema; an arbitrary number."""


class LogDatabase:
    """The database of the prediction log and the decision log.

    Args:
        url: Address as libpq takes it, `postgresql://user:password@host:port/database`, percent-encoded.

    Raises:
        SettingsError: The address is malformed.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith(("postgresql://", "postgres://")):
            raise SettingsError(SETTING, "it must begin with postgresql:// (or be empty for SQLite)")
        try:
            self._parameters = {**CONNECTION_DEFAULTS, **conninfo_to_dict(url)}
        except psycopg.ProgrammingError:
            # libpq's own words may contain the password
            problem = "malformed address: percent-encode characters such as @ / : % in user and password"
            raise SettingsError(SETTING, problem) from None
        # no method: SQLAlchemy keeps what an engine connects by, which would keep this object alive
        self._connect: Callable[[], PgConnection] = partial(psycopg.connect, **self._parameters)
        self._pools: list[ConnectionPool[PgConnection]] = []
        # a list, not the pool itself: the finalizer must not refer to this object
        weakref.finalize(self, _close_all, self._pools)
        self._pool_lock, self._migration_lock = threading.Lock(), threading.Lock()
        self._is_migrated, self._is_away = False, False

    @property
    def address(self) -> str:
        """Address of the server without credentials, for messages."""
        known = self._parameters
        return f"{known.get('host', 'localhost')}:{known.get('port', 5432)}/{known.get('dbname', '')}"

    def run_in_transaction(self, work: Callable[[PgConnection], Result]) -> Result:
        """Run `work` in one transaction and return its result.

        Raises:
            LogError: The server cannot be reached or refuses, or its schema is newer.
        """
        try:
            self._migrate()
            if self._is_away:
                # fails at once with a reason, while the pool would wait for `WAIT_SECONDS` and give none
                self._connect().close()
                self._is_away = False
            with self._open_pool().connection() as connection:
                # of the transaction, not of the connection: a pooler in between may change the server's end
                connection.execute(SET_LOCK_TIMEOUT)
                return work(connection)
        except PoolTimeout as error:
            raise self._explain_timeout(error) from error
        except (psycopg.Error, NewerSchemaError) as error:
            raise self._translate_error(error) from error

    @contextmanager
    def hold_lock(self, space: int, name: str, seconds: float) -> Iterator[None]:
        """Hold an advisory lock by a connection of its own, as long as the context and the connection last.

        Args:
            space: First key of the lock.
            name: Name whose hash is the second key.
            seconds: Maximum wait.

        Raises:
            TimeoutError: Another connection holds it.
            LogError: The server cannot be reached.
        """
        try:
            connection = self._connect()
        except psycopg.Error as error:
            raise self._translate_error(error) from error
        try:
            connection.execute(f"SET LOCAL lock_timeout = '{round(seconds * 1000)}ms'".encode())
            connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (space, name))
        except psycopg.errors.LockNotAvailable:
            connection.close()
            raise TimeoutError from None
        except psycopg.Error as error:
            connection.close()
            raise self._translate_error(error) from error
        try:
            yield
        finally:
            # the end of the connection ends the transaction, which has written nothing
            connection.close()

    def close(self) -> None:
        """Close all connections; the next transaction opens a new pool."""
        with self._pool_lock:
            _close_all(self._pools)

    def prepare_schema(self) -> None:
        """Upgrade the schema; when the server cannot be reached, the first transaction does so instead.

        Raises:
            LogError: The schema is newer than this program.
        """
        try:
            self._migrate()
        except psycopg.OperationalError as error:
            logger.warning("%s", self._translate_error(error))
        except (psycopg.Error, NewerSchemaError) as error:
            raise self._translate_error(error) from error

    def _migrate(self) -> None:
        with self._migration_lock:
            if self._is_migrated:
                return
            with self._connect() as connection:
                is_current = is_newest(_read_revision(connection), StoreKind.POSTGRES)
            if not is_current:
                lock = f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
                upgrade(StoreKind.POSTGRES, self._connect, lock)
            self._is_migrated = True

    def _open_pool(self) -> ConnectionPool[PgConnection]:
        # opened by the first transaction: the threads of a pool do not survive a fork of the server
        with self._pool_lock:
            if not self._pools:
                self._pools.append(
                    ConnectionPool(
                        # no prepared statements: a pooler in between may change the server's end
                        kwargs={**self._parameters, "prepare_threshold": None},
                        min_size=0,
                        max_size=MAX_CONNECTIONS,
                        timeout=WAIT_SECONDS,
                        num_workers=1,
                        # a restart of the server goes unnoticed
                        check=ConnectionPool.check_connection,
                        open=True,
                    )
                )
            return self._pools[0]

    def _explain_timeout(self, timeout: PoolTimeout) -> LogError:
        """Find out by a connection of its own why the pool gave none."""
        try:
            self._connect().close()
        except psycopg.Error as reason:
            # a pool in exponential back-off would not notice that the server is back
            self.close()
            self._is_away = True
            return self._translate_error(reason)
        return self._translate_error(timeout)

    def _translate_error(self, error: Exception) -> LogError:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        password = self._parameters.get("password")
        return LogError(self.address, text.replace(str(password), "***") if password else text)


def _close_all(pools: list[ConnectionPool[PgConnection]]) -> None:
    while pools:
        pools.pop().close()


def _read_revision(connection: PgConnection) -> str | None:
    try:
        found = connection.execute(READ_REVISION).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return None if found is None else str(found[0])
