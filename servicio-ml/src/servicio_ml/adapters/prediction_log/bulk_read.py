"""Bulk reads of journal files: SQLite joins the rows of small chunks while Python's global lock is free."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from servicio_ml.adapters.prediction_log.reader import is_journal, read_page
from servicio_ml.adapters.prediction_log.sqlite_files import list_journals, open_readonly
from servicio_ml.domain.prediction import Chunk, ScoredRows

STEP_CHUNKS = 8192
"""Range of sequence numbers of one statement."""
MAX_SMALL_ROWS = 16
"""Maximum rows of a chunk that SQLite joins with others; larger ones are read one by one."""
MAX_SPARSITY = 20
"""Chunks per selected chunk above which the index is faster than a scan."""
IN_SELECTION = "model = ? AND version = ? AND at >= ? AND at < ?"
READ_BOUNDS = "SELECT min(seq), max(seq), count(*) FROM chunk WHERE model = ? AND at >= ? AND at < ?"
# byte strings are joined whatever they contain; their lengths are checked when they are read
READ_SMALL = f"""
SELECT coalesce(sum(rows) FILTER (WHERE rows <= {MAX_SMALL_ROWS}), 0), count(*) FILTER (WHERE rows > {
    MAX_SMALL_ROWS
}),
       {
    ", ".join(
        f"CAST(group_concat({name}, '') FILTER (WHERE rows <= {MAX_SMALL_ROWS}) AS BLOB)"
        for name in ("features", "outcomes", "probabilities")
    )
}
FROM chunk NOT INDEXED WHERE seq >= ? AND seq < ? AND {IN_SELECTION}
"""  # noqa: S608  constants
# the plus signs prevent the use of the index: its order would require sorting whole chunks
IS_LARGE = f"""
seq >= ? AND seq < ? AND +model = ? AND version = ? AND +at >= ? AND +at < ? AND rows > {MAX_SMALL_ROWS}
ORDER BY seq
"""
IN_ORDER = f"{IN_SELECTION} AND (at, seq) > (?, ?) ORDER BY at, seq"


def read_rows(folder: Path, model: str, version: int, start: float, end: float) -> Iterator[ScoredRows]:
    """Read the rows of a version in `start <= at < end` from all journals, unordered, in bounded memory.

    Raises:
        sqlite3.Error: SQLite refuses.
    """
    for path in list_journals(folder):
        with closing(open_readonly(path)) as connection:
            if not is_journal(connection):
                continue
            first, last, count = connection.execute(READ_BOUNDS, (model, start, end)).fetchone()
            if not count:
                continue
            chosen = (model, version, start, end)
            # sequence numbers of a model are spread between its first and last one; `count` says how densely
            if count * MAX_SPARSITY < last - first:
                yield from _read_one_by_one(connection, chosen)
                continue
            for seq in range(first, last + 1, STEP_CHUNKS):
                yield from _read_step(connection, seq, min(seq + STEP_CHUNKS, last + 1), chosen)


def _read_step(
    connection: sqlite3.Connection, first: int, end: int, chosen: tuple[str, int, float, float]
) -> Iterator[ScoredRows]:
    small, large, *joined = connection.execute(READ_SMALL, (first, end, *chosen)).fetchone()
    if small:
        features, outcomes, probabilities = (each or b"" for each in joined)
        yield ScoredRows(rows=small, features=features, outcomes=outcomes, probabilities=probabilities)
    while large and (found := read_page(connection, IS_LARGE, (first, end, *chosen))):
        yield from (_build_rows(chunk) for _, chunk in found)
        first = found[-1][0] + 1


def _read_one_by_one(
    connection: sqlite3.Connection, chosen: tuple[str, int, float, float]
) -> Iterator[ScoredRows]:
    after = (chosen[2], 0)
    while found := read_page(connection, IN_ORDER, (*chosen, *after)):
        yield from (_build_rows(chunk) for _, chunk in found)
        after = (found[-1][1].at, found[-1][0])


def _build_rows(chunk: Chunk) -> ScoredRows:
    return ScoredRows(
        rows=chunk.rows, features=chunk.features, outcomes=chunk.outcomes, probabilities=chunk.probabilities
    )
