"""Shipping of journal files to PostgreSQL, each row once, and deletion of expired rows there."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import chain, islice

from servicio_ml.adapters.prediction_log.ground_truth import LIST_MODELS
from servicio_ml.adapters.prediction_log.journal_file import JournalFile
from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase, PgConnection
from servicio_ml.adapters.prediction_log.postgres.pg_binary import COLUMNS, encode_copy, to_timestamp
from servicio_ml.adapters.prediction_log.rows import list_identifiers
from servicio_ml.domain.prediction import Chunk, format_prediction_ids

CREATE_INCOMING = "CREATE TEMP TABLE IF NOT EXISTS incoming (LIKE prediction) ON COMMIT DELETE ROWS"
COPY = f"COPY incoming ({COLUMNS}) FROM STDIN (FORMAT binary)"
INSERT_INCOMING = f"INSERT INTO prediction ({COLUMNS}) SELECT {COLUMNS} FROM incoming ON CONFLICT DO NOTHING"  # noqa: S608  constants
INSERT_IDENTIFIERS = """
INSERT INTO identifier (prediction_id, model, identifier, at)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[]) ON CONFLICT DO NOTHING
"""
MAX_INSERTED_ROWS = 10_000
"""Maximum number of identifiers of one statement."""
TRY_LOCK = "SELECT pg_try_advisory_xact_lock(%s)"
DELETE_LOCK = 0x5E_41_C1_1
"""Key of the advisory lock that lets one process delete at a time."""
MAX_DELETED_ROWS = 10_000
"""Maximum rows that one transaction deletes."""
DELETE_BEFORE = """
WITH old AS (
    SELECT prediction_id FROM prediction WHERE model = %s AND at < %s LIMIT %s
), truths AS (
    DELETE FROM ground_truth WHERE prediction_id IN (SELECT prediction_id FROM old)
), names AS (
    DELETE FROM identifier WHERE prediction_id IN (SELECT prediction_id FROM old)
)
DELETE FROM prediction WHERE prediction_id IN (SELECT prediction_id FROM old)
"""


class Shipper:
    """Copies rows to the prediction log.

    Args:
        database: Database of the prediction log.
    """

    def __init__(self, database: LogDatabase) -> None:
        self._database = database

    def ship(self, file: JournalFile, should_continue: Callable[[], bool]) -> None:
        """Ship the new rows of a journal file, oldest first, while `should_continue` returns True.

        The cursor moves after the rows are committed. A process that is killed in between ships them again;
        their ids identify them as duplicates.

        Raises:
            LogError: The server cannot be reached or refuses.
            sqlite3.Error: SQLite refuses.
        """
        while should_continue() and (chunks := file.read_unshipped()):
            self._database.run_in_transaction(partial(_copy_chunks, [chunk for _, chunk in chunks]))
            file.mark_shipped(chunks[-1][0])

    def delete_before(self, time: float) -> None:
        """Delete predictions older than a time and their ground truth, unless another process does so.

        Raises:
            LogError: The server cannot be reached or refuses.
        """
        before = to_timestamp(time)
        for model in self._database.run_in_transaction(_list_models):
            delete = partial(_delete_batch, model, before)
            while self._database.run_in_transaction(delete) == MAX_DELETED_ROWS:
                pass

    def close(self) -> None:
        self._database.close()


def _copy_chunks(chunks: Sequence[Chunk], connection: PgConnection) -> None:
    # kept by the connection and emptied at commit, so that a pooled connection creates it once
    connection.execute(CREATE_INCOMING)
    # COPY has no ON CONFLICT clause, so rows go through a temporary table
    with connection.cursor() as cursor:
        with cursor.copy(COPY.encode()) as copy:
            for block in encode_copy(chunks):
                copy.write(block)
        cursor.execute(INSERT_INCOMING.encode())
    rows = chain.from_iterable(map(_build_identifier_rows, chunks))
    while batch := [*islice(rows, MAX_INSERTED_ROWS)]:
        connection.execute(INSERT_IDENTIFIERS, [[*column] for column in zip(*batch, strict=True)])


def _build_identifier_rows(chunk: Chunk) -> Iterator[tuple[str, str, str, datetime]]:
    at = to_timestamp(chunk.at)
    for place, text in list_identifiers(chunk):
        yield format_prediction_ids(chunk.key, place, 1)[0], chunk.model, text, at


def _list_models(connection: PgConnection) -> list[str]:
    query = LIST_MODELS.format(table="prediction")
    return [model for (model,) in connection.execute(query.encode()).fetchall()]


def _delete_batch(model: str, before: datetime, connection: PgConnection) -> int:
    if connection.execute(TRY_LOCK, (DELETE_LOCK,)).fetchone() != (True,):
        return 0
    return connection.execute(DELETE_BEFORE, (model, before, MAX_DELETED_ROWS)).rowcount
