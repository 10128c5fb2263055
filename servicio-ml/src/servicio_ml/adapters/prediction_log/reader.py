"""Queries over journal files, also while other processes write them."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import numpy as np

from servicio_ml.adapters.prediction_log.rows import (
    COLUMNS,
    build_chunk,
    group_places_by_key,
    keep_latest,
    select_features,
    select_predictions,
)
from servicio_ml.adapters.prediction_log.sqlite_files import list_journals, open_readonly
from servicio_ml.domain.fields.identifier import Identifiers
from servicio_ml.domain.prediction import Chunk, LoggedPrediction, parse_prediction_id

T = TypeVar("T")
PAGE_CHUNKS, PAGE_BYTES = 4096, 4 << 20
"""Maximum of one query: a longer snapshot would keep the writer from restarting its write-ahead log."""
MAX_PARAMETERS = 500
"""Maximum number of values in one statement, below the limit of every SQLite."""
WITHOUT_FEATURES = COLUMNS.replace("features", "x''")
HAS_TABLE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
LIST_VERSIONS = "SELECT DISTINCT version FROM chunk WHERE model = ? AND at >= ? AND at < ?"
READ_IDENTIFIERS = "SELECT seq, place, identifier FROM identifier WHERE seq IN ({asked})"
FIND_LATEST = """
WITH asked (text) AS (VALUES {asked})
SELECT asked.text, latest.seq, latest.place FROM asked JOIN identifier AS latest
ON (latest.seq, latest.place) = (
    SELECT seq, place FROM identifier WHERE model = ? AND identifier = asked.text
    ORDER BY at DESC, seq DESC, place DESC LIMIT 1
)
"""


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


def list_versions(folder: Path, model: str, start: float, end: float, purposes: Sequence[str]) -> set[int]:
    """List the versions with chunks of a model in `start <= at < end` in all journals.

    Raises:
        sqlite3.Error: SQLite refuses.
    """
    found, asked = set[int](), ", ".join("?" * len(purposes))
    query = f"{LIST_VERSIONS} AND purpose IN ({asked})"
    for path in list_journals(folder):
        with closing(open_readonly(path)) as connection:
            if is_journal(connection):
                rows = connection.execute(query, (model, start, end, *purposes))
                found.update(version for (version,) in rows)
    return found


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


def find_features(folder: Path, ids: Collection[str]) -> dict[str, bytes]:
    """Find the features of the predictions with the given ids in the journals.

    Raises:
        sqlite3.Error: SQLite refuses.
    """
    wanted, found = group_places_by_key(ids), dict[str, bytes]()
    for path in list_journals(folder):
        with closing(open_readonly(path)) as connection:
            for chunk in _read_by_key(connection, list(wanted), COLUMNS):
                found.update(select_features(chunk, wanted.pop(chunk.key)))
    return found


def find_latest(folder: Path, model: str, identifiers: Collection[str]) -> dict[str, LoggedPrediction]:
    """Find the latest prediction of a model by identifier in the journals.

    Raises:
        sqlite3.Error: SQLite refuses.
    """
    found, asked = dict[str, LoggedPrediction](), list(dict.fromkeys(identifiers))
    for path in list_journals(folder):
        with closing(open_readonly(path)) as connection:
            if _has_table(connection, "identifier"):
                for batch in _split_values(asked):
                    found = keep_latest(found, _find_latest_in_file(connection, model, batch))
    return found


def _find_latest_in_file(
    connection: sqlite3.Connection, model: str, identifiers: Sequence[str]
) -> dict[str, LoggedPrediction]:
    query = FIND_LATEST.format(asked=", ".join(["(?)"] * len(identifiers)))
    texts_by_place: dict[int, dict[int, str]] = {}
    for text, seq, place in connection.execute(query, (*identifiers, model)):
        texts_by_place.setdefault(seq, {})[place] = text
    found = {}
    # each chunk is read once, whatever the number of its rows that are asked for
    for seq, texts in texts_by_place.items():
        query = f"SELECT {WITHOUT_FEATURES} FROM chunk WHERE seq = ?"  # noqa: S608  constants
        row = connection.execute(query, (seq,)).fetchone()
        for each in select_predictions(build_chunk(row), texts) if row else ():
            found[texts[parse_prediction_id(each.id)[1]]] = each
    return found


def add_identifiers(
    connection: sqlite3.Connection, found: Sequence[tuple[int, Chunk]]
) -> list[tuple[int, Chunk]]:
    """Add the identifiers of their rows to chunks that were read by `read_page`."""
    texts: dict[int, dict[int, str]] = {}
    # a file that no newer process has opened for writing has no such table
    if _has_table(connection, "identifier"):
        for batch in _split_values([seq for seq, _ in found]):
            query = READ_IDENTIFIERS.format(asked=", ".join("?" * len(batch)))
            for seq, place, text in connection.execute(query, batch):
                texts.setdefault(seq, {})[place] = text
    return [
        (seq, chunk if seq not in texts else replace(chunk, identifiers=_fill_places(chunk, texts[seq])))
        for seq, chunk in found
    ]


def _fill_places(chunk: Chunk, texts: Mapping[int, str]) -> Identifiers:
    return tuple(map(texts.get, np.frombuffer(chunk.places, dtype="<u4").tolist()))


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
            for _, chunk in add_identifiers(connection, chunks):
                yield chunk
            seq, last = chunks[-1]
            after = (last.at, seq)


def is_journal(connection: sqlite3.Connection) -> bool:
    """Whether the file has its table; another process may be creating it right now."""
    return _has_table(connection, "chunk")


def _split_values(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split the values of a query into those of several statements."""
    return (values[i : i + MAX_PARAMETERS] for i in range(0, len(values), MAX_PARAMETERS))


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    return connection.execute(HAS_TABLE, (name,)).fetchone() is not None


def _read_by_key(
    connection: sqlite3.Connection, keys: Sequence[bytes], columns: str = WITHOUT_FEATURES
) -> Iterator[Chunk]:
    if not is_journal(connection):
        return
    for batch in _split_values(keys):
        asked = ", ".join("?" * len(batch))
        query = f"SELECT {columns} FROM chunk WHERE key IN ({asked})"  # noqa: S608  constants
        yield from map(build_chunk, connection.execute(query, batch))
