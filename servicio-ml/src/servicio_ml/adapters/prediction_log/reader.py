"""Queries over journal files, also while other processes write them."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from heapq import merge
from operator import attrgetter
from pathlib import Path

from servicio_ml.adapters.prediction_log.rows import (
    COLUMNS,
    build_chunk,
    group_places_by_key,
    select_predictions,
)
from servicio_ml.adapters.prediction_log.sqlite_files import list_journals, open_readonly
from servicio_ml.domain.prediction import Chunk, LoggedPrediction

PAGE_CHUNKS, PAGE_BYTES = 4096, 4 << 20
"""Maximum of one query: a longer snapshot would keep the writer from restarting its write-ahead log."""
MAX_PARAMETERS = 500
"""Maximum number of values in one statement, below the limit of every SQLite."""
WITHOUT_FEATURES = COLUMNS.replace("features", "x''")
HAS_CHUNKS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'chunk'"


def read_window(
    folder: Path, model: str, start: float, end: float, purposes: Sequence[str]
) -> Iterator[Chunk]:
    """Read the chunks of a model in `start <= at < end` from all journals, oldest first, in bounded memory.

    Raises:
        sqlite3.Error: SQLite refuses.
    """
    windows = [_read_file_window(path, model, start, end, purposes) for path in list_journals(folder)]
    # one journal is the common case: no merge
    return windows[0] if len(windows) == 1 else merge(*windows, key=attrgetter("at"))


def find_predictions(folder: Path, ids: Collection[str]) -> dict[str, LoggedPrediction]:
    """Find the predictions with the given ids in the journals.

    Raises:
        sqlite3.Error: SQLite refuses.
    """
    wanted, found = group_places_by_key(ids), dict[str, LoggedPrediction]()
    for path in list_journals(folder):
        if not wanted:
            break
        with closing(open_readonly(path)) as connection:
            for chunk in _read_by_key(connection, list(wanted)):
                # a key is in one journal only, so it need not be looked up in the others
                found.update((each.id, each) for each in select_predictions(chunk, wanted.pop(chunk.key)))
    return found


def read_page(
    connection: sqlite3.Connection, where: str, values: Sequence[object]
) -> list[tuple[int, Chunk]]:
    """Read the first chunks that match a condition, in its order, with their sequence numbers."""
    found, size = list[tuple[int, Chunk]](), 0
    query = f"SELECT seq, {COLUMNS} FROM chunk WHERE {where}"  # noqa: S608  constants, the values are bound
    with closing(connection.execute(query, values)) as cursor:
        for seq, *row in cursor:
            found.append((seq, build_chunk(row)))
            size += len(row[-1])
            if len(found) >= PAGE_CHUNKS or size >= PAGE_BYTES:
                break
    return found


def _read_file_window(
    path: Path, model: str, start: float, end: float, purposes: Sequence[str]
) -> Iterator[Chunk]:
    asked = ", ".join("?" * len(purposes))
    # the pair is unique, so the next page starts exactly after the last row, however many share a time
    where = f"model = ? AND (at, seq) > (?, ?) AND at < ? AND purpose IN ({asked}) ORDER BY at, seq"
    after = (start, 0)
    with closing(open_readonly(path)) as connection:
        if not is_journal(connection):
            return
        while chunks := read_page(connection, where, (model, *after, end, *purposes)):
            for _, chunk in chunks:
                yield chunk
            seq, last = chunks[-1]
            after = (last.at, seq)


def is_journal(connection: sqlite3.Connection) -> bool:
    """Whether the file has its table; another process may be creating it right now."""
    return connection.execute(HAS_CHUNKS).fetchone() is not None


def _read_by_key(connection: sqlite3.Connection, keys: Sequence[bytes]) -> Iterator[Chunk]:
    if not is_journal(connection):
        return
    for i in range(0, len(keys), MAX_PARAMETERS):
        batch = keys[i : i + MAX_PARAMETERS]
        asked = ", ".join("?" * len(batch))
        query = f"SELECT {WITHOUT_FEATURES} FROM chunk WHERE key IN ({asked})"  # noqa: S608  constants
        yield from map(build_chunk, connection.execute(query, batch))
