"""The decision log in PostgreSQL, which all replicas share."""

from collections.abc import Callable

from servicio_ml.adapters.log.connections import Connection, Connections
from servicio_ml.adapters.log.decision_rows import COLUMNS, entry_of, row_of
from servicio_ml.domain.retraining import Entry, History

LOCK_SPACE = 0x5E42
"""First number of the advisory locks, one a model."""
LOCK = "SELECT pg_advisory_xact_lock(%s, hashtext(%s))"
ADD = f"INSERT INTO retraining_decision ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)"  # noqa: S608  constants
HISTORY = f"""
SELECT {COLUMNS} FROM retraining_decision
WHERE model = %(model)s AND (
    at >= %(since)s OR seq = (SELECT max(seq) FROM retraining_decision WHERE model = %(model)s)
) ORDER BY seq DESC
"""  # noqa: S608  constants


class PostgresDecisions:
    """The log of every machine.

    Args:
        connections: To its server; brought to the newest schema, when it can be reached already.

    Raises:
        LogError: The schema is newer than this program.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        connections.start()

    def settle(self, model: str, since: float, decide: Callable[[History], Entry]) -> Entry:
        def settled(connection: Connection) -> Entry:
            # before anything is decided, so that a stale connection is found out here
            connection.execute(LOCK, (LOCK_SPACE, model))
            history = _history(connection, model, since)
            entry = decide(history)
            if entry not in history[:1]:
                connection.execute(ADD.encode(), row_of(entry))
            return entry

        return self._connections.run(settled)

    def history(self, model: str, since: float) -> History:
        return self._connections.run(lambda connection: _history(connection, model, since))


def _history(connection: Connection, model: str, since: float) -> History:
    rows = connection.execute(HISTORY.encode(), {"model": model, "since": since}).fetchall()
    return [entry_of(row) for row in rows]
