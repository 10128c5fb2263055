"""A journal file as it is looked after: shipped from, pruned, checkpointed, by whoever holds its lock."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from servicio_ml.adapters.log.files import open_store
from servicio_ml.adapters.log.labels import MODELS
from servicio_ml.adapters.log.reader import page
from servicio_ml.adapters.log.schema import Store
from servicio_ml.domain.prediction import Chunk

BATCH_CHUNKS, BATCH_ROWS = 64, 1024
"""What one transaction deletes, one chunk at least: the event loop may wait for it, about a millisecond."""
VACUUM_PAGES = 128
"""Pages that one transaction gives back."""
SLACK_PAGES = 4096
"""Free pages that are kept for new rows."""
BUSY_SECONDS = 0.2
OLDEST = "SELECT seq, rows FROM chunk WHERE seq <= ? ORDER BY seq LIMIT ?"
NUMBERED_ANEW = "UPDATE shipped SET seq = min(seq, (SELECT coalesce(max(seq), 0) FROM chunk))"
"""SQLite counts on from the last row that is left, and so must the cursor."""
EXPIRED = "SELECT seq, rows FROM chunk WHERE model = ? AND at < ? LIMIT ?"


class SlotFile:
    """One journal file.

    Args:
        path: The file.
        guard: Held for each write, when this process also writes it as a journal.
        pause: Called between two writes, so that the journal has its turn.

    Raises:
        sqlite3.Error: SQLite refuses; so for every method.
    """

    def __init__(
        self, path: Path, guard: AbstractContextManager[Any] | None = None,
        pause: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        self.path, self._pause = path, pause
        self._guard = nullcontext() if guard is None else guard
        self._connection = open_store(path, Store.JOURNAL, BUSY_SECONDS)

    def close(self) -> None:
        self._connection.close()

    @property
    def shipped(self) -> int:
        """Number of the last chunk that is in the prediction log."""
        return self._number("SELECT seq FROM shipped")

    @property
    def last(self) -> int:
        """Number of the last chunk."""
        return self._number("SELECT coalesce(max(seq), 0) FROM chunk")

    @property
    def used_bytes(self) -> int:
        """What its rows take, without the free pages."""
        return used_bytes(self._connection)

    def unshipped(self) -> list[tuple[int, Chunk]]:
        """The oldest chunks, with their numbers, that are not in the prediction log; some megabytes."""
        return page(self._connection, "seq > ? ORDER BY seq", (self.shipped,))

    def mark_shipped(self, seq: int) -> None:
        with self._guard:
            self._connection.execute("UPDATE shipped SET seq = max(seq, ?)", (seq,))

    def forget_before(self, time: float) -> int:
        """Delete the chunks of before a time, shipped or not; gives their number."""
        models = self._connection.execute(MODELS.format(table="chunk")).fetchall()
        return sum(self._repeated(EXPIRED, (model, time)) for (model,) in models)

    def forget_oldest(self, size: float, last: int) -> int:
        """Delete the oldest chunks, none after number `last`, down to that size; gives how many."""
        deleted = 0
        while self.used_bytes > size:
            step = self._deleted(OLDEST, (last,))
            if not step:
                break
            deleted += step
        return deleted

    def shrink(self) -> None:
        """Give most of the free pages back to the file system."""
        while self._number("PRAGMA freelist_count") > SLACK_PAGES:
            with self._guard:
                # `execute` would step once: one page
                self._connection.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
            self._pause()

    def checkpoint(self) -> None:
        """Bring the WAL's rows to the file and the disk, and let the WAL begin anew.

        Most of it without the writer noticing; as there is always a newer row under load, the rest while the
        writer waits some milliseconds, unless a reader is in the way. The WAL keeps its size: to free it
        would take ten times as long.
        """
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        with self._guard:
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        self._connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")

    def _repeated(self, query: str, values: tuple[object, ...]) -> int:
        deleted = 0
        while step := self._deleted(query, values):
            deleted += step
        return deleted

    def _deleted(self, query: str, values: tuple[object, ...]) -> int:
        chosen, rows = list[tuple[int]](), 0
        for seq, more in self._connection.execute(query, (*values, BATCH_CHUNKS)).fetchall():
            rows += more
            if chosen and rows > BATCH_ROWS:
                break
            chosen.append((seq,))
        if chosen:
            with self._guard:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany("DELETE FROM chunk WHERE seq = ?", chosen)
                self._connection.execute(NUMBERED_ANEW)
                self._connection.execute("COMMIT")
            self._pause()
        return len(chosen)

    def _number(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])


def used_bytes(connection: sqlite3.Connection) -> int:
    """What the rows of a file take, without the free pages."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
