"""Maintenance of one journal file by the process that holds its lease: reading, pruning, checkpoints."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from servicio_ml.adapters.prediction_log.ground_truth import LIST_MODELS
from servicio_ml.adapters.prediction_log.reader import add_identifiers, read_page
from servicio_ml.adapters.prediction_log.schema import StoreKind
from servicio_ml.adapters.prediction_log.sqlite_files import open_store
from servicio_ml.domain.prediction import Chunk

MAX_BATCH_CHUNKS, MAX_BATCH_ROWS = 64, 1024
"""Maximum that one transaction deletes, at least one chunk; the event loop may wait for it about 1 ms."""
VACUUM_PAGES = 128
"""Pages that one transaction returns to the file system."""
MAX_FREE_PAGES = 4096
"""Maximum number of free pages that a file keeps for new rows."""
BUSY_SECONDS = 0.2
SELECT_OLDEST = "SELECT seq, rows FROM chunk WHERE seq <= ? ORDER BY seq LIMIT ?"
CLAMP_SHIPPED = "UPDATE shipped SET seq = min(seq, (SELECT coalesce(max(seq), 0) FROM chunk))"
"""SQLite continues numbering from the last remaining row, so the cursor must not be beyond it."""
TOUCH = "BEGIN IMMEDIATE; UPDATE shipped SET seq = seq + 1; UPDATE shipped SET seq = seq - 1; COMMIT"
"""Write of a page that stays as it is; one statement alone would write nothing, since no byte differs."""
SELECT_EXPIRED = "SELECT seq, rows FROM chunk WHERE model = ? AND at < ? LIMIT ?"

DELETE_IDENTIFIERS = """
DELETE FROM identifier WHERE (seq, place) IN (
    SELECT seq, place FROM identifier WHERE seq IN ({asked}) LIMIT ?
)
"""


class JournalFile:
    """One journal file. Every method raises `sqlite3.Error` when SQLite refuses.

    Args:
        path: The file.
        write_lock: Lock to hold for each write, when this process also writes the file as a journal.
        pause: Called between two writes, so that the journal can write.

    Raises:
        sqlite3.Error: The file cannot be opened.
    """

    def __init__(
        self, path: Path, write_lock: AbstractContextManager[Any] | None = None,
        pause: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        self.path, self._pause = path, pause
        self._write_lock = nullcontext() if write_lock is None else write_lock
        self._connection = open_store(path, StoreKind.JOURNAL, BUSY_SECONDS)

    def close(self) -> None:
        self._connection.close()

    @property
    def shipped_seq(self) -> int:
        """Sequence number of the last chunk that was shipped to the prediction log."""
        return self._query_number("SELECT seq FROM shipped")

    @property
    def last_seq(self) -> int:
        """Sequence number of the last chunk; 0 when there is none."""
        return self._query_number("SELECT coalesce(max(seq), 0) FROM chunk")

    @property
    def used_bytes(self) -> int:
        """Size of the rows in bytes, without the free pages."""
        return measure_used_bytes(self._connection)

    def read_unshipped(self) -> list[tuple[int, Chunk]]:
        """Read the oldest unshipped chunks with their sequence numbers, some megabytes at most."""
        found = read_page(self._connection, "seq > ? ORDER BY seq", (self.shipped_seq,))
        return add_identifiers(self._connection, found)

    def mark_shipped(self, seq: int) -> None:
        with self._write_lock:
            self._connection.execute("UPDATE shipped SET seq = max(seq, ?)", (seq,))

    def delete_before(self, time: float) -> int:
        """Delete the chunks older than a time, shipped or not, and return their number."""
        models = self._connection.execute(LIST_MODELS.format(table="chunk")).fetchall()
        return sum(self._delete_all(SELECT_EXPIRED, (model, time)) for (model,) in models)

    def delete_oldest(self, max_bytes: float, last_seq: int) -> int:
        """Delete the oldest chunks up to `last_seq` until the file is small enough; return their number."""
        deleted = 0
        while self.used_bytes > max_bytes:
            step = self._delete_batch(SELECT_OLDEST, (last_seq,))
            if not step:
                break
            deleted += step
        return deleted

    def shrink(self) -> None:
        """Return free pages to the file system, down to `MAX_FREE_PAGES`."""
        while self._query_number("PRAGMA freelist_count") > MAX_FREE_PAGES:
            with self._write_lock:
                # `execute` would return one page only
                self._connection.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
            self._pause()

    def checkpoint(self) -> None:
        """Move the rows of the write-ahead log (WAL) to the file and the disk, and restart the WAL.

        Two passive checkpoints move most rows without blocking the writer of a file that does not rest. Under
        load there is always a newer row, so the last checkpoint blocks it for some milliseconds, unless a
        reader holds a snapshot. The WAL keeps its size: truncating it takes ten times as long.
        """
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        # the second pass must not wait for the writer: it only shortens what the last one has to move
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        with self._write_lock:
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            # the first write after a restart waits for the disk too: SQLite syncs the new header of the WAL
            self._connection.executescript(TOUCH)
        self._connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")

    def _delete_all(self, query: str, values: tuple[object, ...]) -> int:
        deleted = 0
        while step := self._delete_batch(query, values):
            deleted += step
        return deleted

    def _delete_batch(self, query: str, values: tuple[object, ...]) -> int:
        chosen, rows = list[tuple[int]](), 0
        for seq, more in self._connection.execute(query, (*values, MAX_BATCH_CHUNKS)).fetchall():
            rows += more
            if chosen and rows > MAX_BATCH_ROWS:
                break
            chosen.append((seq,))
        if chosen:
            self._delete_identifiers([seq for (seq,) in chosen])
            # lock of the process before that of SQLite, in the order of the journal itself
            with self._write_lock:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany("DELETE FROM chunk WHERE seq = ?", chosen)
                self._connection.execute(CLAMP_SHIPPED)
                self._connection.execute("COMMIT")
            self._pause()
        return len(chosen)

    def _delete_identifiers(self, chosen: Sequence[int]) -> None:
        """Delete the identifiers of chunks that will be deleted: before them, in steps that block nobody."""
        query = DELETE_IDENTIFIERS.format(asked=", ".join("?" * len(chosen)))
        deleted = MAX_BATCH_ROWS
        while deleted == MAX_BATCH_ROWS:
            with self._write_lock:
                deleted = self._connection.execute(query, (*chosen, MAX_BATCH_ROWS)).rowcount
            self._pause()

    def _query_number(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])


def measure_used_bytes(connection: sqlite3.Connection) -> int:
    """Measure the size of the rows of a file in bytes, without the free pages."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
