"""The journal: every prediction is written here, by its own process, before it is answered."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from servicio_ml.adapters.log.files import BUSY_SECONDS, open_store, reason
from servicio_ml.adapters.log.rows import INSERT, row_of
from servicio_ml.adapters.log.schema import NewerSchemaError, Store
from servicio_ml.adapters.log.slots import Slot, shared_path, take
from servicio_ml.domain.prediction import Chunk
from servicio_ml.errors import JournalError

PASSING = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""Errors after which the connection is as good as before."""
PRIMARY = 0xFF
"""The part of SQLite's error code that its details do not change."""


class SqliteJournal:
    """Chunks in a SQLite file in WAL mode.

    A commit is in the hands of the operating system when `write` returns: it outlives the process, however
    that ends. The disk has it after the next checkpoint, which a `Keeper` makes. To be made after a fork, not
    before.

    Args:
        path: The file.
        slot: That the process holds, when it writes the file alone.
    """

    def __init__(self, path: Path, slot: Slot | None = None) -> None:
        self.path, self.slot = path, slot
        self.lock = threading.Lock()
        """Held while this process writes the file."""
        self._connection: sqlite3.Connection | None = None
        with self.lock:
            self._opened()

    @classmethod
    def alone(cls, folder: Path) -> "SqliteJournal":
        """A journal that no other process writes, in the first free slot.

        Raises:
            JournalError: It cannot be opened.
        """
        slot = take(folder)
        try:
            return cls(slot.path, slot)
        except BaseException:
            slot.release()
            raise

    @classmethod
    def shared(cls, folder: Path, name: str) -> "SqliteJournal":
        """A journal that every process opens by that name: what one has logged, no other logs again.

        Raises:
            JournalError: It cannot be opened.
        """
        return cls(shared_path(folder, name))

    def write(self, chunks: Sequence[Chunk]) -> None:
        """As the port says; tens of microseconds for a chunk of a few rows."""
        rows = [row_of(chunk) for chunk in chunks]
        with self.lock:
            connection = self._connection or self._opened()
            try:
                if len(rows) == 1:
                    connection.execute(INSERT, rows[0])
                    return
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(INSERT, rows)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._recover(connection, error)
                raise JournalError(self.path, reason(error)) from error

    def close(self) -> None:
        """Close the file and let another process have the slot."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        if self.slot is not None:
            self.slot.release()
            self.slot = None

    def _opened(self) -> sqlite3.Connection:
        try:
            self._connection = open_store(self.path, Store.JOURNAL, BUSY_SECONDS)
        except (sqlite3.Error, OSError, NewerSchemaError) as error:
            raise JournalError(self.path, reason(error)) from error
        return self._connection

    def _recover(self, connection: sqlite3.Connection, error: sqlite3.Error) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if (getattr(error, "sqlite_errorcode", 0) & PRIMARY) in PASSING:
                return
        except sqlite3.Error:
            pass
        # opened again by the next write
        connection.close()
        self._connection = None
