"""The journal: each process writes every prediction to it before it sends the response."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from servicio_ml.adapters.prediction_log.leases import JournalLease, acquire_lease, get_shared_path
from servicio_ml.adapters.prediction_log.rows import (
    INSERT,
    INSERT_IDENTIFIER,
    ChunkRow,
    build_row,
    list_identifiers,
)
from servicio_ml.adapters.prediction_log.schema import NewerSchemaError, StoreKind
from servicio_ml.adapters.prediction_log.sqlite_files import BUSY_SECONDS, describe_error, open_store
from servicio_ml.domain.prediction import Chunk
from servicio_ml.errors import JournalError

TRANSIENT_ERRORS = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""Errors after which the connection can still be used."""
PRIMARY_CODE_MASK = 0xFF
"""Mask for the primary part of an extended error code of SQLite."""


class SqliteJournal:
    """Chunks in a SQLite file in WAL mode. Create it after a fork, not before.

    When `write` returns, the operating system has the commit: it outlives the process, however the process
    ends. The disk has it after the next checkpoint of the `JournalMaintainer`.

    Args:
        path: The file.
        lease: Lease of the file, when this process alone writes it.
    """

    def __init__(self, path: Path, lease: JournalLease | None = None) -> None:
        self.path, self.lease = path, lease
        self.lock = threading.Lock()
        """Lock to hold while this process writes the file."""
        self._connection: sqlite3.Connection | None = None
        with self.lock:
            self._open()

    @classmethod
    def open_exclusive(cls, folder: Path) -> "SqliteJournal":
        """Open a journal that no other process writes, with the first free lease.

        Raises:
            JournalError: The journal cannot be opened.
        """
        lease = acquire_lease(folder)
        try:
            return cls(lease.path, lease)
        except BaseException:
            lease.release()
            raise

    @classmethod
    def open_shared(cls, folder: Path, name: str) -> "SqliteJournal":
        """Open a journal that several processes write; a key that one has logged, no other logs again.

        Raises:
            JournalError: The journal cannot be opened.
        """
        return cls(get_shared_path(folder, name))

    @property
    def files(self) -> Sequence["SqliteJournal"]:
        """The only file, as `AlternatingJournal` has two."""
        return (self,)

    def release_files(self) -> Sequence["SqliteJournal"]:
        """Return the only file, which is written while it is maintained."""
        return (self,)

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Write chunks in one commit; a chunk of a few rows takes tens of microseconds."""
        rows = [build_row(chunk) for chunk in chunks]
        with self.lock:
            connection = self._connection or self._open()
            try:
                # a single statement is its own transaction, without the cost of BEGIN and COMMIT
                if len(rows) == 1 and not chunks[0].identifiers:
                    connection.execute(INSERT, rows[0])
                    return
                connection.execute("BEGIN IMMEDIATE")
                for chunk, row in zip(chunks, rows, strict=True):
                    _insert(connection, chunk, row)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._recover(connection, error)
                raise JournalError(self.path, describe_error(error)) from error

    def close(self) -> None:
        """Close the file and release its lease."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        if self.lease is not None:
            self.lease.release()
            self.lease = None

    def _open(self) -> sqlite3.Connection:
        try:
            self._connection = open_store(self.path, StoreKind.JOURNAL, BUSY_SECONDS)
        except (sqlite3.Error, OSError, NewerSchemaError) as error:
            raise JournalError(self.path, describe_error(error)) from error
        return self._connection

    def _recover(self, connection: sqlite3.Connection, error: sqlite3.Error) -> None:
        try:
            # some errors roll back by themselves
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if (getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE_MASK) in TRANSIENT_ERRORS:
                return
        except sqlite3.Error:
            pass
        # the next write opens it again
        connection.close()
        self._connection = None


class AlternatingJournal:
    """Two files that no other process writes, of which one is written and one rests.

    A checkpoint waits for the disk, and so does whoever writes its file meanwhile.

    Args:
        folder: Folder of the journals.

    Attributes:
        files: Both files.

    Raises:
        JournalError: A file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        first = SqliteJournal.open_exclusive(folder)
        try:
            self.files = (first, SqliteJournal.open_exclusive(folder))
        except BaseException:
            first.close()
            raise
        self._written = first

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Write chunks in one commit; a chunk of a few rows takes tens of microseconds."""
        self._written.write(chunks)

    def release_files(self) -> Sequence[SqliteJournal]:
        """Write the other file from now on, and return the one that rests."""
        first, second = self.files
        resting = self._written
        self._written = second if resting is first else first
        return (resting,)

    def close(self) -> None:
        """Close both files and release their leases."""
        for file in self.files:
            file.close()


def _insert(connection: sqlite3.Connection, chunk: Chunk, row: ChunkRow) -> None:
    cursor = connection.execute(INSERT, row)
    # a chunk whose key is logged already is ignored, with its identifiers
    if chunk.identifiers and cursor.rowcount:
        seq = cursor.lastrowid
        rows = ((seq, place, chunk.model, text, chunk.at) for place, text in list_identifiers(chunk))
        connection.executemany(INSERT_IDENTIFIER, rows)
