"""The decision log when nothing is set: a file that every process of the machine writes."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from servicio_ml.adapters.log.decision_rows import COLUMNS, entry_of, row_of
from servicio_ml.adapters.log.files import connect, decisions_path, open_store, open_to_read, reason
from servicio_ml.adapters.log.schema import NewerSchemaError, Store
from servicio_ml.domain.retraining import Entry, History
from servicio_ml.errors import LogError

BUSY_SECONDS = 60.0
"""Longer than a retraining takes to be started, which is done while the file is held."""
CHECKPOINT_PAGES = 1000
ADD = f"INSERT INTO decision ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608  constants
HISTORY = f"""
SELECT {COLUMNS} FROM decision
WHERE model = ?1 AND (at >= ?2 OR seq = (SELECT max(seq) FROM decision WHERE model = ?1)) ORDER BY seq DESC
"""  # noqa: S608  constants


class SqliteDecisions:
    """The log of this machine.

    Args:
        folder: Of the prediction log.

    Raises:
        LogError: It cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._path = decisions_path(folder)
        with self._told():
            open_store(self._path, Store.DECISIONS).close()

    def settle(self, model: str, since: float, decide: Callable[[History], Entry]) -> Entry:
        # not by `open_store`: while it waits for whoever decides, nobody could open any store
        with self._told(), closing(connect(self._path, BUSY_SECONDS)) as connection:
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute("BEGIN IMMEDIATE")
            history = _history(connection, model, since)
            entry = decide(history)
            if entry not in history[:1]:
                connection.execute(ADD, row_of(entry))
            connection.execute("COMMIT")
        return entry

    def history(self, model: str, since: float) -> History:
        with self._told(), closing(open_to_read(self._path)) as connection:
            return _history(connection, model, since)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, NewerSchemaError) as error:
            raise LogError(str(self._path), reason(error)) from error


def _history(connection: sqlite3.Connection, model: str, since: float) -> History:
    return [entry_of(row) for row in connection.execute(HISTORY, (model, since))]
