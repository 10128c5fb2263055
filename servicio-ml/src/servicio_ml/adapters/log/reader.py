"""Journal files as they are read, also while other processes write them."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from heapq import merge
from operator import attrgetter
from pathlib import Path

from servicio_ml.adapters.log.files import open_to_read, slot_paths
from servicio_ml.adapters.log.rows import COLUMNS, chunk_of, places_by_key, predictions_at
from servicio_ml.domain.prediction import Chunk, Prediction

PAGE_CHUNKS, PAGE_BYTES = 4096, 4 << 20
"""What is read at once: a longer snapshot would keep the writer's WAL from beginning anew."""
MAX_PARAMETERS = 500
"""Values in one statement, below every SQLite's limit."""
WITHOUT_FEATURES = COLUMNS.replace("features", "x''")
HAS_CHUNKS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'chunk'"


def window(folder: Path, model: str, start: float, end: float, purposes: Sequence[str]) -> Iterator[Chunk]:
    """The chunks of a model in `start <= at < end` over all journals, oldest first, in bounded memory.

    Raises:
        sqlite3.Error: SQLite refuses.
    """
    parts = [_window(path, model, start, end, purposes) for path in slot_paths(folder)]
    return parts[0] if len(parts) == 1 else merge(*parts, key=attrgetter("at"))


def find(folder: Path, ids: Collection[str]) -> dict[str, Prediction]:
    """The predictions of those ids that a journal holds.

    Raises:
        sqlite3.Error: SQLite refuses.
    """
    wanted, found = places_by_key(ids), dict[str, Prediction]()
    for path in slot_paths(folder):
        if not wanted:
            break
        with closing(open_to_read(path)) as connection:
            for chunk in _by_key(connection, list(wanted)):
                found.update((each.id, each) for each in predictions_at(chunk, wanted.pop(chunk.key)))
    return found


def page(connection: sqlite3.Connection, where: str, values: Sequence[object]) -> list[tuple[int, Chunk]]:
    """The first chunks, with their numbers, that a condition and its order give; none at the end."""
    found, size = list[tuple[int, Chunk]](), 0
    query = f"SELECT seq, {COLUMNS} FROM chunk WHERE {where}"  # noqa: S608  constants, the values are bound
    with closing(connection.execute(query, values)) as cursor:
        for seq, *row in cursor:
            found.append((seq, chunk_of(row)))
            size += len(row[-1])
            if len(found) >= PAGE_CHUNKS or size >= PAGE_BYTES:
                break
    return found


def _window(path: Path, model: str, start: float, end: float, purposes: Sequence[str]) -> Iterator[Chunk]:
    asked = ", ".join("?" * len(purposes))
    where = f"model = ? AND (at, seq) > (?, ?) AND at < ? AND purpose IN ({asked}) ORDER BY at, seq"
    after = (start, 0)
    with closing(open_to_read(path)) as connection:
        if not is_journal(connection):
            return
        while chunks := page(connection, where, (model, *after, end, *purposes)):
            for _, chunk in chunks:
                yield chunk
            seq, last = chunks[-1]
            after = (last.at, seq)


def is_journal(connection: sqlite3.Connection) -> bool:
    """Whether the file has its table already: another process may be making it."""
    return connection.execute(HAS_CHUNKS).fetchone() is not None


def _by_key(connection: sqlite3.Connection, keys: Sequence[bytes]) -> Iterator[Chunk]:
    if not is_journal(connection):
        return
    for i in range(0, len(keys), MAX_PARAMETERS):
        part = keys[i : i + MAX_PARAMETERS]
        asked = ", ".join("?" * len(part))
        query = f"SELECT {WITHOUT_FEATURES} FROM chunk WHERE key IN ({asked})"  # noqa: S608  constants
        yield from map(chunk_of, connection.execute(query, part))
