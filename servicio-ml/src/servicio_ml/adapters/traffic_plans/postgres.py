"""Traffic plans in PostgreSQL, which all replicas share."""

from collections.abc import Callable
from typing import Any

from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase, PgConnection
from servicio_ml.adapters.traffic_plans.store import Execute, Result

LOCK_SPACE = 0x5E44
"""First key of the advisory locks, of which each model has one."""
LOCK = "SELECT pg_advisory_xact_lock(%s, hashtext(%s))"


class PostgresPlanDatabase:
    """Database of all machines.

    Args:
        database: Database, whose schema is upgraded when the server can be reached.

    Raises:
        LogError: The schema is newer than this program.
    """

    def __init__(self, database: LogDatabase) -> None:
        self._database = database
        database.prepare_schema()

    def run(self, work: Callable[[Execute], Result], lock: str = "") -> Result:
        def run_work(connection: PgConnection) -> Result:
            if lock:
                connection.execute(LOCK, (LOCK_SPACE, lock))

            def execute(sql: str, row: tuple[Any, ...]) -> list[tuple[Any, ...]]:
                cursor = connection.execute(sql.replace("?", "%s").encode(), row)
                return cursor.fetchall() if cursor.description else []

            return work(execute)

        return self._database.run_in_transaction(run_work)
