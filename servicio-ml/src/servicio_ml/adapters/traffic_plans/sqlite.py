"""Traffic plans in the SQLite file of the decisions, which all processes of the machine write."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from servicio_ml.adapters.prediction_log.schema import NewerSchemaError, StoreKind
from servicio_ml.adapters.prediction_log.sqlite_files import (
    connect,
    describe_error,
    get_decisions_path,
    open_store,
)
from servicio_ml.adapters.traffic_plans.store import Execute, Result
from servicio_ml.errors import LogError

BUSY_SECONDS = 10.0
"""Timeout of waiting for the transaction of another process."""


class SqlitePlanDatabase:
    """Database of this machine.

    Args:
        folder: Folder of the prediction log.

    Raises:
        LogError: The file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._path = get_decisions_path(folder)
        try:
            open_store(self._path, StoreKind.DECISIONS).close()
        except (sqlite3.Error, OSError, NewerSchemaError) as error:
            raise LogError(str(self._path), describe_error(error)) from error

    def run(self, work: Callable[[Execute], Result], lock: str = "") -> Result:
        try:
            with closing(connect(self._path, BUSY_SECONDS)) as connection:
                # one lock for all models: a change takes milliseconds
                connection.execute("BEGIN IMMEDIATE" if lock else "BEGIN")
                result = work(lambda sql, row: connection.execute(sql, row).fetchall())
                connection.execute("COMMIT")
                return result
        except (sqlite3.Error, OSError) as error:
            raise LogError(str(self._path), describe_error(error)) from error
