"""Connections to PostgreSQL: a few that are kept, made anew when the server was away."""

import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from servicio_ml.adapters.log.schema import READ_REVISION, NewerSchemaError, Store, is_newest, upgrade
from servicio_ml.errors import LogError, SettingsError

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
Connection = psycopg.Connection[tuple[Any, ...]]
SETTING = "SERVICIO_ML_LOG_URL"
KEPT = 4
"""Idle connections that are kept by one process."""
PATIENCE: dict[str, Any] = {
    "connect_timeout": 3,  # seconds
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 3,
    "application_name": "servicio-ml",
}
"""What holds unless the address says otherwise: a server that is gone is noticed soon."""
MIGRATION_LOCK = 0x5E_41_C1_0
"""Number of the advisory lock under which one process migrates; any that no other program uses."""


class Connections:
    """A pool.

    Args:
        url: As libpq takes it: `postgresql://user:password@host:port/database`, percent-encoded.

    Raises:
        SettingsError: It is no such address.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith(("postgresql://", "postgres://")):
            raise SettingsError(SETTING, "it must begin with postgresql:// (or be empty for SQLite)")
        try:
            self._parameters = {**PATIENCE, **conninfo_to_dict(url)}
        except psycopg.ProgrammingError:
            # libpq's own words may hold the password
            problem = "not an address: characters such as @ / : % in user or password are percent-encoded"
            raise SettingsError(SETTING, problem) from None
        self._idle: list[Connection] = []
        weakref.finalize(self, _close_all, self._idle)
        self._lock, self._migrating, self._newest = threading.Lock(), threading.Lock(), False

    @property
    def place(self) -> str:
        """Where the server is, for messages."""
        known = self._parameters
        return f"{known.get('host', 'localhost')}:{known.get('port', 5432)}/{known.get('dbname', '')}"

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """What some work gives that is done in one transaction; twice when the connection turned out stale.

        Raises:
            LogError: The server cannot be reached or refuses, or its schema is newer.
        """
        try:
            self._migrate()
            connection, kept = self._taken()
            try:
                return self._done(connection, work)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if not kept:
                    raise
            self.close()
            return self._done(self._connected(), work)
        except (psycopg.Error, NewerSchemaError) as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Close those that are idle."""
        with self._lock:
            _close_all(self._idle)

    def start(self) -> None:
        """Bring the schema up to date; a server that is away is no error, it is done when it is there.

        Raises:
            LogError: The schema is newer than this program.
        """
        try:
            self._migrate()
        except psycopg.OperationalError as error:
            logger.warning("%s", self._refused(error))
        except (psycopg.Error, NewerSchemaError) as error:
            raise self._refused(error) from error

    def _migrate(self) -> None:
        with self._migrating:
            if self._newest:
                return
            with self._connected() as connection:
                newest = is_newest(_revision(connection), Store.POSTGRES)
            if not newest:
                upgrade(
                    Store.POSTGRES, self._connected_plainly, f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
                )
            self._newest = True

    def _done(self, connection: Connection, work: Callable[[Connection], Result]) -> Result:
        try:
            with connection.transaction():
                result = work(connection)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if len(self._idle) < KEPT:
                self._idle.append(connection)
                return result
        connection.close()
        return result

    def _taken(self) -> tuple[Connection, bool]:
        with self._lock:
            if self._idle:
                return self._idle.pop(), True
        return self._connected(), False

    def _connected(self) -> Connection:
        # statements are not prepared: a pooler between may change the server's end
        return psycopg.connect(**self._parameters, autocommit=True, prepare_threshold=None)

    def _connected_plainly(self) -> Connection:
        return psycopg.connect(**self._parameters)

    def _refused(self, error: Exception) -> LogError:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        password = self._parameters.get("password")
        return LogError(self.place, text.replace(str(password), "***") if password else text)


def _close_all(idle: list[Connection]) -> None:
    while idle:
        idle.pop().close()


def _revision(connection: Connection) -> str | None:
    try:
        found = connection.execute(READ_REVISION).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return None if found is None else str(found[0])
