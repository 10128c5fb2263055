"""Rows of the journal files in bulk: SQLite puts those of small chunks together, without Python's lock."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from servicio_ml.adapters.log.files import open_to_read, slot_paths
from servicio_ml.adapters.log.reader import is_journal, page
from servicio_ml.domain.prediction import Chunk, Rows

STEP_CHUNKS = 8192
"""Numbers of chunks that are looked at in one statement."""
SMALL_ROWS = 16
"""Rows up to which chunks are put together; larger ones cost little one by one."""
SPARSE = 20
"""Where fewer than one chunk in so many is asked for, looking at every one of them costs more."""
CHOSEN = "model = ? AND version = ? AND at >= ? AND at < ?"
BOUNDS = "SELECT min(seq), max(seq), count(*) FROM chunk WHERE model = ? AND at >= ? AND at < ?"
# a string of bytes is joined as it is, whatever is in it; the lengths are checked when it is read
SMALL = f"""
SELECT coalesce(sum(rows) FILTER (WHERE rows <= {SMALL_ROWS}), 0), count(*) FILTER (WHERE rows > {
    SMALL_ROWS
}),
       {
    ", ".join(
        f"CAST(group_concat({name}, '') FILTER (WHERE rows <= {SMALL_ROWS}) AS BLOB)"
        for name in ("features", "outcomes", "probabilities")
    )
}
FROM chunk NOT INDEXED WHERE seq >= ? AND seq < ? AND {CHOSEN}
"""  # noqa: S608  constants
# the signs keep the index out: in its order the chunks would be sorted first, with all that is in them
LARGE = f"""
seq >= ? AND seq < ? AND +model = ? AND version = ? AND +at >= ? AND +at < ? AND rows > {SMALL_ROWS}
ORDER BY seq
"""
EACH = f"{CHOSEN} AND (at, seq) > (?, ?) ORDER BY at, seq"


def rows(folder: Path, model: str, version: int, start: float, end: float) -> Iterator[Rows]:
    """The rows of a version in `start <= at < end` over all journals, in no order, in bounded memory.

    Raises:
        sqlite3.Error: SQLite refuses.
    """
    for path in slot_paths(folder):
        with closing(open_to_read(path)) as connection:
            if not is_journal(connection):
                continue
            first, last, count = connection.execute(BOUNDS, (model, start, end)).fetchone()
            if not count:
                continue
            chosen = (model, version, start, end)
            if count * SPARSE < last - first:
                yield from _one_by_one(connection, chosen)
                continue
            for seq in range(first, last + 1, STEP_CHUNKS):
                yield from _step(connection, seq, min(seq + STEP_CHUNKS, last + 1), chosen)


def _step(
    connection: sqlite3.Connection, first: int, end: int, chosen: tuple[str, int, float, float]
) -> Iterator[Rows]:
    small, large, *joined = connection.execute(SMALL, (first, end, *chosen)).fetchone()
    if small:
        features, outcomes, probabilities = (each or b"" for each in joined)
        yield Rows(rows=small, features=features, outcomes=outcomes, probabilities=probabilities)
    while large and (found := page(connection, LARGE, (first, end, *chosen))):
        yield from (_rows_of(chunk) for _, chunk in found)
        first = found[-1][0] + 1


def _one_by_one(connection: sqlite3.Connection, chosen: tuple[str, int, float, float]) -> Iterator[Rows]:
    after = (chosen[2], 0)
    while found := page(connection, EACH, (*chosen, *after)):
        yield from (_rows_of(chunk) for _, chunk in found)
        after = (found[-1][1].at, found[-1][0])


def _rows_of(chunk: Chunk) -> Rows:
    return Rows(
        rows=chunk.rows, features=chunk.features, outcomes=chunk.outcomes, probabilities=chunk.probabilities
    )
