"""The prediction log in PostgreSQL, where the journals of every machine are shipped to."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from servicio_ml.adapters.log import reader
from servicio_ml.adapters.log.connections import Connection, Connections
from servicio_ml.adapters.log.files import reason
from servicio_ml.adapters.log.revisions import revised
from servicio_ml.adapters.log.rows import places_by_key
from servicio_ml.adapters.log.wire import ID_BYTES, KEY_BYTES, moment, native, unpacked
from servicio_ml.domain.prediction import (
    Chunk,
    GroundTruth,
    Labelled,
    Prediction,
    Purpose,
    Rows,
    prediction_ids,
)
from servicio_ml.errors import LogError

PAGE_ROWS = 5_000
"""Rows that are fetched at once."""
NIL = UUID(int=0)
LABEL_LOCKS = 61
"""Locks over which the ids are spread, so that a large batch does not need as many."""
LABEL_LOCK_SPACE = 0x5E41
"""First number of those advisory locks."""
COLUMNS = (
    "prediction_id::text, extract(epoch FROM prediction.at)::float8, model, version, purpose, outcome, "
    "probabilities"
)
CHUNKS = """
SELECT uuid_send(prediction_id), version, protocol, purpose, array_send(features), outcome,
       array_send(probabilities), at, prediction_id
FROM prediction
WHERE model = %s AND (at, prediction_id) > (%s, %s) AND at < %s AND purpose = ANY(%s)
ORDER BY at, prediction_id LIMIT %s
"""
FIND = f"SELECT {COLUMNS} FROM prediction WHERE prediction_id = ANY(%s::uuid[])"  # noqa: S608  constants
BLOCK_ROWS = 1 << 16
"""Rows that the server puts together."""
BLOCK_END = """
SELECT at, prediction_id FROM prediction WHERE model = %s AND (at, prediction_id) > (%s, %s) AND at < %s
ORDER BY at, prediction_id OFFSET %s LIMIT 1
"""
BLOCK = "model = %s AND (at, prediction_id) > (%s, %s) AND (at, prediction_id) <= (%s, %s) AND version = %s"
PACKED = f"""
SELECT count(*), count(packed), max(cardinality(features)), max(cardinality(probabilities)),
       string_agg(packed, ''::bytea)
FROM prediction WHERE {BLOCK}
"""  # noqa: S608  constants
NOT_PACKED = f"""
SELECT array_send(features), outcome, array_send(probabilities)
FROM prediction WHERE {BLOCK} AND packed IS NULL
"""  # noqa: S608  constants
LOCK = "SELECT pg_advisory_xact_lock(%s, part) FROM unnest(%s::int[]) AS part"
NEWEST = """
SELECT DISTINCT ON (prediction_id) prediction_id::text, revision, actual, extract(epoch FROM at)::float8
FROM ground_truth WHERE prediction_id = ANY(%s::uuid[]) ORDER BY prediction_id, revision DESC
"""
ADD = "INSERT INTO ground_truth (prediction_id, revision, actual, at) VALUES (%s, %s, %s, %s)"
LABELLED = f"""
SELECT {COLUMNS}, newest.revision, newest.actual, extract(epoch FROM newest.at)::float8,
       prediction.at, prediction.prediction_id
FROM prediction CROSS JOIN LATERAL (
    SELECT revision, actual, at FROM ground_truth AS truth
    WHERE truth.prediction_id = prediction.prediction_id ORDER BY revision DESC LIMIT 1
) AS newest
WHERE model = %s AND (prediction.at, prediction.prediction_id) > (%s, %s) AND prediction.at < %s
ORDER BY prediction.at, prediction.prediction_id LIMIT %s
"""  # noqa: S608  constants


class PostgresLog:
    """The log of every machine. Times are kept to the microsecond.

    Args:
        connections: To its server; brought to the newest schema, when it can be reached already.
        folder: Of this machine's journals: what was answered is found there until it has been shipped.

    Raises:
        LogError: The schema is newer than this program.
    """

    def __init__(self, connections: Connections, folder: Path) -> None:
        self._connections, self._folder = connections, folder
        connections.start()

    def find(self, ids: Sequence[str]) -> Mapping[str, Prediction]:
        known = [
            each
            for key, at in places_by_key(ids).items()
            for place in at
            for each in prediction_ids(key, place, 1)
        ]
        rows = self._connections.run(lambda connection: _rows(connection, FIND, (known,))) if known else []
        found = {row[0]: _prediction(row) for row in rows}
        missing = [each for each in known if each not in found]
        try:
            return found | reader.find(self._folder, missing)
        except (sqlite3.Error, OSError) as error:
            raise LogError(str(self._folder), reason(error)) from error

    def chunks(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Iterator[Chunk]:
        asked = [str(each) for each in purposes]
        rows = self._paged(CHUNKS, model, start, end, asked)
        for _, chunk in groupby(rows, lambda row: row[0][:KEY_BYTES]):
            yield _chunk(model, list(chunk))

    def rows(self, model: str, version: int, start: float, end: float) -> Iterator[Rows]:
        after, before = (moment(start), NIL), moment(end)
        while after[0] < before:
            found = self._asked(BLOCK_END, (model, *after, before, BLOCK_ROWS - 1))
            # no id is the nil one: the rows of the very end are not in
            upto = found[0] if found else (before, NIL)
            yield from self._block((model, *after, *upto, version))
            after = upto

    def _block(self, values: Sequence[object]) -> Iterator[Rows]:
        ((count, packed, width, classes, numbers),) = self._asked(PACKED, values)
        if packed:
            yield unpacked(packed, numbers, width, classes)
        if rows := self._asked(NOT_PACKED, values) if count > packed else ():
            features, outcomes, probabilities = zip(*rows, strict=True)
            yield Rows(
                rows=len(rows), features=native(features, 4), outcomes=np.array(outcomes, "<f8").tobytes(),
                probabilities=native(probabilities, 8),
            )  # fmt: skip

    def label(self, truths: Sequence[GroundTruth]) -> Sequence[Labelled | None]:
        predictions = self.find([truth.prediction_id for truth in truths])
        if not predictions:
            return [None] * len(truths)
        return self._connections.run(partial(_label, truths, predictions))

    def labelled(self, model: str, start: float, end: float) -> Iterator[Labelled]:
        for row in self._paged(LABELLED, model, start, end):
            revision, actual, at = row[7:10]
            yield Labelled(prediction=_prediction(row), actual=actual, at=at, revision=revision, new=True)

    def _paged(
        self, query: str, model: str, start: float, end: float, *more: object
    ) -> Iterator[tuple[Any, ...]]:
        """Rows in order of time and id, which are the last two columns, a page in each transaction."""
        after, before = (moment(start), NIL), moment(end)
        while True:
            values = (model, *after, before, *more, PAGE_ROWS)
            rows = self._asked(query, values)
            yield from rows
            if len(rows) < PAGE_ROWS:
                return
            after = rows[-1][-2:]

    def _asked(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return self._connections.run(partial(_rows, query=query, values=values))


def _rows(connection: Connection, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    # the queries of this module
    return connection.execute(query.encode(), values, binary=True).fetchall()


def _label(
    truths: Sequence[GroundTruth], predictions: Mapping[str, Prediction], connection: Connection
) -> list[Labelled | None]:
    ids = list(predictions)
    # in one order everywhere, or two of us could wait for each other
    parts = sorted({UUID(each).int % LABEL_LOCKS for each in ids})
    _rows(connection, LOCK, (LABEL_LOCK_SPACE, parts))
    newest = {
        each: Labelled(prediction=predictions[each], actual=actual, at=at, revision=revision, new=True)
        for each, revision, actual, at in _rows(connection, NEWEST, (ids,))
    }
    taken = revised(truths, predictions, newest)
    added = [each for each in taken if each is not None and each.new]
    with connection.cursor() as cursor:
        cursor.executemany(
            ADD, [(each.prediction.id, each.revision, each.actual, moment(each.at)) for each in added]
        )
    return taken


def _prediction(row: Sequence[Any]) -> Prediction:
    prediction_id, at, model, version, purpose, outcome, probabilities = row[:7]
    return Prediction(
        id=prediction_id, at=at, model=model, version=version, purpose=purpose, outcome=outcome,
        probabilities=tuple(probabilities),
    )  # fmt: skip


def _chunk(model: str, rows: Sequence[tuple[Any, ...]]) -> Chunk:
    prediction_id, version, protocol, purpose, _, _, _, at, _ = rows[0]
    places = np.frombuffer(b"".join(b"\0" + row[0][KEY_BYTES:] for row in rows), ">u4")
    return Chunk(
        key=prediction_id[:KEY_BYTES] + bytes(ID_BYTES - KEY_BYTES), at=at.timestamp(), model=model,
        version=version, protocol=protocol, purpose=purpose, rows=len(rows),
        places=places.astype("<u4").tobytes(), features=native([row[4] for row in rows], 4),
        outcomes=np.array([row[5] for row in rows], "<f8").tobytes(),
        probabilities=native([row[6] for row in rows], 8),
    )  # fmt: skip
