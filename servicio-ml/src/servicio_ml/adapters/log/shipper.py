"""Ships chunks of a journal file to PostgreSQL, each row once, and deletes there what is too old."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from servicio_ml.adapters.log.connections import Connection, Connections
from servicio_ml.adapters.log.labels import MODELS
from servicio_ml.adapters.log.slot_file import SlotFile
from servicio_ml.adapters.log.wire import COLUMNS, copied, moment
from servicio_ml.domain.prediction import Chunk

INCOMING = "CREATE TEMP TABLE IF NOT EXISTS incoming (LIKE prediction) ON COMMIT DELETE ROWS"
COPY = f"COPY incoming ({COLUMNS}) FROM STDIN (FORMAT binary)"
TAKE_IN = f"INSERT INTO prediction ({COLUMNS}) SELECT {COLUMNS} FROM incoming ON CONFLICT DO NOTHING"  # noqa: S608  constants
ALONE = "SELECT pg_try_advisory_xact_lock(%s)"
FORGET_LOCK = 0x5E_41_C1_1
"""Number of the advisory lock under which one process deletes."""
FORGET_ROWS = 10_000
"""Rows that one transaction deletes."""
FORGET = """
WITH old AS (
    SELECT prediction_id FROM prediction WHERE model = %s AND at < %s LIMIT %s
), truths AS (
    DELETE FROM ground_truth WHERE prediction_id IN (SELECT prediction_id FROM old)
)
DELETE FROM prediction WHERE prediction_id IN (SELECT prediction_id FROM old)
"""


class Shipper:
    """Brings rows to the prediction log.

    Args:
        connections: To its server.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def ship(self, file: SlotFile, go_on: Callable[[], bool]) -> None:
        """Ship what is new in a journal file, oldest first, for as long as `go_on` says.

        The cursor moves after the rows are there: whoever is killed in between leaves rows that are sent
        again, and are known by their ids.

        Raises:
            LogError: The server cannot be reached or refuses.
            sqlite3.Error: SQLite refuses.
        """
        while go_on() and (chunks := file.unshipped()):
            self._connections.run(partial(_send, [chunk for _, chunk in chunks]))
            file.mark_shipped(chunks[-1][0])

    def forget_before(self, time: float) -> None:
        """Delete the predictions of before a time, and their ground truth, unless another process is at it.

        Raises:
            LogError: The server cannot be reached or refuses.
        """
        before = moment(time)
        for model in self._connections.run(_models):
            while self._connections.run(partial(_forget, model, before)) == FORGET_ROWS:
                pass

    def close(self) -> None:
        self._connections.close()


def _send(chunks: Sequence[Chunk], connection: Connection) -> None:
    connection.execute(INCOMING)
    with connection.cursor() as cursor:
        with cursor.copy(COPY.encode()) as copy:
            for block in copied(chunks):
                copy.write(block)
        cursor.execute(TAKE_IN.encode())


def _models(connection: Connection) -> list[str]:
    query = MODELS.format(table="prediction")
    return [model for (model,) in connection.execute(query.encode()).fetchall()]


def _forget(model: str, before: datetime, connection: Connection) -> int:
    alone = connection.execute(ALONE, (FORGET_LOCK,)).fetchone()
    if alone != (True,):
        return 0
    return connection.execute(FORGET, (model, before, FORGET_ROWS)).rowcount
