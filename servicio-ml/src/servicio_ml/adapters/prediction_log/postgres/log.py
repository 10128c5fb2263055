"""The prediction log in PostgreSQL, to which the journals of all machines are shipped."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from servicio_ml.adapters.prediction_log import reader
from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase, PgConnection
from servicio_ml.adapters.prediction_log.postgres.pg_binary import (
    ID_BYTES,
    KEY_BYTES,
    decode_arrays,
    to_timestamp,
    unpack_rows,
)
from servicio_ml.adapters.prediction_log.revisions import build_revisions
from servicio_ml.adapters.prediction_log.rows import group_places_by_key, keep_latest
from servicio_ml.adapters.prediction_log.sqlite_files import describe_error
from servicio_ml.domain.fields.identifier import normalize_identifiers
from servicio_ml.domain.prediction import (
    Chunk,
    GroundTruth,
    LabelledPrediction,
    LoggedPrediction,
    Purpose,
    ScoredRows,
    format_prediction_ids,
)
from servicio_ml.errors import LogError

PAGE_ROWS = 5_000
"""Maximum rows of one query."""
NIL_ID = UUID(int=0)
LABEL_LOCKS = 61
"""Number of advisory locks that all prediction ids share: a large batch needs no lock for each row."""
LABEL_LOCK_SPACE = 0x5E41
"""First key of those advisory locks."""
COLUMNS = (
    "prediction_id::text, extract(epoch FROM prediction.at)::float8, model, version, purpose, outcome, "
    "probabilities"
)
READ_CHUNKS = """
SELECT uuid_send(prediction_id), version, protocol, purpose, array_send(features), outcome,
       array_send(probabilities),
       (SELECT identifier FROM identifier WHERE identifier.prediction_id = prediction.prediction_id),
       at, prediction_id
FROM prediction
WHERE model = %s AND (at, prediction_id) > (%s, %s) AND at < %s AND purpose = ANY(%s)
ORDER BY at, prediction_id LIMIT %s
"""
LIST_VERSIONS = """
SELECT DISTINCT version FROM prediction WHERE model = %s AND at >= %s AND at < %s AND purpose = ANY(%s)
"""
FIND_BY_ID = f"SELECT {COLUMNS} FROM prediction WHERE prediction_id = ANY(%s::uuid[])"  # noqa: S608  constants
FIND_FEATURES = """
SELECT prediction_id::text, array_send(features) FROM prediction WHERE prediction_id = ANY(%s::uuid[])
"""
FIND_LATEST = f"""
SELECT asked.text, {COLUMNS}
FROM unnest(%s::text[]) AS asked (text) CROSS JOIN LATERAL (
    SELECT prediction_id FROM identifier WHERE identifier.model = %s AND identifier.identifier = asked.text
    ORDER BY identifier.at DESC, prediction_id DESC LIMIT 1
) AS latest JOIN prediction USING (prediction_id)
"""  # noqa: S608  constants
BLOCK_ROWS = 1 << 16
"""Rows whose packed numbers the server joins in one query."""
FIND_BLOCK_END = """
SELECT at, prediction_id FROM prediction WHERE model = %s AND (at, prediction_id) > (%s, %s) AND at < %s
ORDER BY at, prediction_id OFFSET %s LIMIT 1
"""
IN_BLOCK = (
    "model = %s AND (at, prediction_id) > (%s, %s) AND (at, prediction_id) <= (%s, %s) AND version = %s"
)
READ_PACKED = f"""
SELECT count(*), count(packed), max(cardinality(features)), max(cardinality(probabilities)),
       string_agg(packed, ''::bytea)
FROM prediction WHERE {IN_BLOCK}
"""  # noqa: S608  constants
READ_UNPACKED = f"""
SELECT array_send(features), outcome, array_send(probabilities)
FROM prediction WHERE {IN_BLOCK} AND packed IS NULL
"""  # noqa: S608  constants
LOCK = "SELECT pg_advisory_xact_lock(%s, part) FROM unnest(%s::int[]) AS part"
READ_NEWEST = """
SELECT DISTINCT ON (prediction_id) prediction_id::text, revision, actual, extract(epoch FROM at)::float8
FROM ground_truth WHERE prediction_id = ANY(%s::uuid[]) ORDER BY prediction_id, revision DESC
"""
INSERT_LABEL = "INSERT INTO ground_truth (prediction_id, revision, actual, at) VALUES (%s, %s, %s, %s)"
READ_LABELLED = f"""
SELECT {COLUMNS}, newest.revision, newest.actual, extract(epoch FROM newest.at)::float8,
       prediction.at, prediction.prediction_id
FROM prediction CROSS JOIN LATERAL (
    SELECT revision, actual, at FROM ground_truth AS truth
    WHERE truth.prediction_id = prediction.prediction_id ORDER BY revision DESC LIMIT 1
) AS newest
WHERE model = %s AND (prediction.at, prediction.prediction_id) > (%s, %s) AND prediction.at < %s
ORDER BY prediction.at, prediction.prediction_id LIMIT %s
"""  # noqa: S608  constants


class PostgresPredictionLog:
    """The shared log of all machines. Times are stored with microsecond precision.

    Args:
        database: Database, whose schema is upgraded when the server can be reached.
        folder: Journals of this machine, which hold the predictions that are not shipped yet.

    Raises:
        LogError: The schema is newer than this program.
    """

    def __init__(self, database: LogDatabase, folder: Path) -> None:
        self._database, self._folder = database, folder
        database.prepare_schema()

    def find(self, ids: Sequence[str]) -> Mapping[str, LoggedPrediction]:
        known = [
            each
            for key, at in group_places_by_key(ids).items()
            for place in at
            for each in format_prediction_ids(key, place, 1)
        ]
        rows = (
            self._database.run_in_transaction(
                lambda connection: _fetch_rows(connection, FIND_BY_ID, (known,))
            )
            if known
            else []
        )
        found = {row[0]: _build_prediction(row) for row in rows}
        # rows that are not shipped yet are still in a journal of this machine
        missing = [each for each in known if each not in found]
        try:
            return found | reader.find_predictions(self._folder, missing)
        except (sqlite3.Error, OSError) as error:
            raise LogError(str(self._folder), describe_error(error)) from error

    def find_features(self, ids: Sequence[str]) -> Mapping[str, bytes]:
        # malformed ids are no UUID
        known = [
            each
            for key, places in group_places_by_key(ids).items()
            for place in places
            for each in format_prediction_ids(key, place, 1)
        ]
        rows = self._query(FIND_FEATURES, (known,)) if known else []
        found = {each: decode_arrays([features], 4) for each, features in rows}
        missing = [each for each in known if each not in found]
        try:
            return found | reader.find_features(self._folder, missing)
        except (sqlite3.Error, OSError) as error:
            raise LogError(str(self._folder), describe_error(error)) from error

    def find_latest(self, model: str, identifiers: Sequence[str]) -> Mapping[str, LoggedPrediction]:
        rows = self._query(FIND_LATEST, ([*identifiers], model)) if identifiers else []
        found = {text: _build_prediction(row) for text, *row in rows}
        try:
            return keep_latest(found, reader.find_latest(self._folder, model, identifiers))
        except (sqlite3.Error, OSError) as error:
            raise LogError(str(self._folder), describe_error(error)) from error

    def read_chunks(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Iterator[Chunk]:
        asked = [str(each) for each in purposes]
        rows = self._read_pages(READ_CHUNKS, model, start, end, asked)
        # rows of a chunk are adjacent: their ids share the key and the time
        for _, chunk in groupby(rows, lambda row: row[0][:KEY_BYTES]):
            yield _build_chunk(model, list(chunk))

    def list_versions(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Collection[int]:
        asked = [str(each) for each in purposes]
        rows = self._query(LIST_VERSIONS, (model, to_timestamp(start), to_timestamp(end), asked))
        return [version for (version,) in rows]

    def read_rows(self, model: str, version: int, start: float, end: float) -> Iterator[ScoredRows]:
        after, before = (to_timestamp(start), NIL_ID), to_timestamp(end)
        while after[0] < before:
            found = self._query(FIND_BLOCK_END, (model, *after, before, BLOCK_ROWS - 1))
            # no prediction has the nil id, so rows at the end of the window are left out
            upto = found[0] if found else (before, NIL_ID)
            yield from self._read_block((model, *after, *upto, version))
            after = upto

    def _read_block(self, values: Sequence[object]) -> Iterator[ScoredRows]:
        ((count, packed, width, classes, numbers),) = self._query(READ_PACKED, values)
        if packed:
            yield unpack_rows(packed, numbers, width, classes)
        if rows := self._query(READ_UNPACKED, values) if count > packed else ():
            features, outcomes, probabilities = zip(*rows, strict=True)
            yield ScoredRows(
                rows=len(rows),
                features=decode_arrays(features, 4),
                outcomes=np.array(outcomes, "<f8").tobytes(),
                probabilities=decode_arrays(probabilities, 8),
            )

    def add_ground_truth(self, truths: Sequence[GroundTruth]) -> Sequence[LabelledPrediction | None]:
        predictions = self.find([truth.prediction_id for truth in truths])
        if not predictions:
            return [None] * len(truths)
        return self._database.run_in_transaction(partial(_add_labels, truths, predictions))

    def read_ground_truth(self, model: str, start: float, end: float) -> Iterator[LabelledPrediction]:
        for row in self._read_pages(READ_LABELLED, model, start, end):
            revision, actual, at = row[7:10]
            yield LabelledPrediction(
                prediction=_build_prediction(row), actual=actual, at=at, revision=revision, new=True
            )

    def _read_pages(
        self, query: str, model: str, start: float, end: float, *more: object
    ) -> Iterator[tuple[Any, ...]]:
        """Read rows ordered by their last two columns, time and id; each page in its own transaction."""
        after, before = (to_timestamp(start), NIL_ID), to_timestamp(end)
        while True:
            values = (model, *after, before, *more, PAGE_ROWS)
            rows = self._query(query, values)
            yield from rows
            if len(rows) < PAGE_ROWS:
                return
            after = rows[-1][-2:]

    def _query(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return self._database.run_in_transaction(partial(_fetch_rows, query=query, values=values))


def _fetch_rows(connection: PgConnection, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    # only the constant queries of this module
    return connection.execute(query.encode(), values, binary=True).fetchall()


def _add_labels(
    truths: Sequence[GroundTruth], predictions: Mapping[str, LoggedPrediction], connection: PgConnection
) -> list[LabelledPrediction | None]:
    ids = list(predictions)
    # in the same order in every process, which prevents a deadlock
    lock_numbers = sorted({UUID(each).int % LABEL_LOCKS for each in ids})
    _fetch_rows(connection, LOCK, (LABEL_LOCK_SPACE, lock_numbers))
    newest = {
        each: LabelledPrediction(
            prediction=predictions[each], actual=actual, at=at, revision=revision, new=True
        )
        for each, revision, actual, at in _fetch_rows(connection, READ_NEWEST, (ids,))
    }
    taken = build_revisions(truths, predictions, newest)
    added = [each for each in taken if each is not None and each.new]
    with connection.cursor() as cursor:
        cursor.executemany(
            INSERT_LABEL,
            [(each.prediction.id, each.revision, each.actual, to_timestamp(each.at)) for each in added],
        )
    return taken


def _build_prediction(row: Sequence[Any]) -> LoggedPrediction:
    prediction_id, at, model, version, purpose, outcome, probabilities = row[:7]
    return LoggedPrediction(
        id=prediction_id, at=at, model=model, version=version, purpose=purpose, outcome=outcome,
        probabilities=tuple(probabilities),
    )  # fmt: skip


def _build_chunk(model: str, rows: Sequence[tuple[Any, ...]]) -> Chunk:
    prediction_id, version, protocol, purpose, *_, at, _ = rows[0]
    places = np.frombuffer(b"".join(b"\0" + row[0][KEY_BYTES:] for row in rows), ">u4")
    return Chunk(
        key=prediction_id[:KEY_BYTES] + bytes(ID_BYTES - KEY_BYTES), at=at.timestamp(), model=model,
        version=version, protocol=protocol, purpose=purpose, rows=len(rows),
        places=places.astype("<u4").tobytes(), features=decode_arrays([row[4] for row in rows], 4),
        outcomes=np.array([row[5] for row in rows], "<f8").tobytes(),
        probabilities=decode_arrays([row[6] for row in rows], 8),
        identifiers=normalize_identifiers([row[7] for row in rows]),
    )  # fmt: skip
