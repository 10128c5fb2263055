"""The decision log in PostgreSQL, which all replicas share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from servicio_ml.adapters.decision_log.rows import (
    ACKNOWLEDGEMENT_COLUMNS,
    COLUMNS,
    HOLD_SECONDS,
    build_acknowledgement,
    build_acknowledgement_row,
    build_decision,
    build_held_error,
    build_row,
    warn_unheld,
)
from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase, PgConnection
from servicio_ml.domain.drift import Acknowledgement
from servicio_ml.domain.retraining import DecisionEntry, RetrainingHistory
from servicio_ml.errors import LogError

LOCK_SPACE, CHAMPION_LOCK_SPACE = 0x5E42, 0x5E43
"""First keys of the advisory locks, of which each model has one for its log and one for its champion."""
LOCK = "SELECT pg_advisory_xact_lock(%s, hashtext(%s))"
INSERT_DECISION = f"INSERT INTO retraining_decision ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)"  # noqa: S608  constants
INSERT_ACKNOWLEDGEMENT = (
    f"INSERT INTO drift_acknowledgement ({ACKNOWLEDGEMENT_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608  constants
)
READ_ACKNOWLEDGEMENTS = (
    f"SELECT {ACKNOWLEDGEMENT_COLUMNS} FROM drift_acknowledgement WHERE model = %s ORDER BY seq DESC"  # noqa: S608  constants
)
READ_HISTORY = f"""
SELECT {COLUMNS} FROM retraining_decision
WHERE model = %(model)s AND (
    at >= %(since)s OR seq = (SELECT max(seq) FROM retraining_decision WHERE model = %(model)s)
) ORDER BY seq DESC
"""  # noqa: S608  constants


class PostgresDecisionLog:
    """The shared decision log of all machines.

    Args:
        database: Database, whose schema is upgraded when the server can be reached.

    Raises:
        LogError: The schema is newer than this program.
    """

    def __init__(self, database: LogDatabase) -> None:
        self._database = database
        database.prepare_schema()

    def record(
        self, model: str, since: float, decide: Callable[[RetrainingHistory], DecisionEntry]
    ) -> DecisionEntry:
        def record_decision(connection: PgConnection) -> DecisionEntry:
            # before anything is decided, so that a stale connection is found out here
            connection.execute(LOCK, (LOCK_SPACE, model))
            history = _read_history(connection, model, since)
            entry = decide(history)
            if entry not in history[:1]:
                connection.execute(INSERT_DECISION.encode(), build_row(entry))
            return entry

        return self._database.run_in_transaction(record_decision)

    def load_history(self, model: str, since: float) -> RetrainingHistory:
        return self._database.run_in_transaction(lambda connection: _read_history(connection, model, since))

    @contextmanager
    def hold_champion(self, model: str) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                lock = self._database.hold_lock(CHAMPION_LOCK_SPACE, model, HOLD_SECONDS)
                stack.enter_context(lock)
            except TimeoutError:
                raise build_held_error(model) from None
            except LogError as error:
                warn_unheld(model, error)
            yield

    def add_acknowledgement(self, entry: Acknowledgement) -> None:
        row = build_acknowledgement_row(entry)
        self._database.run_in_transaction(
            lambda connection: connection.execute(INSERT_ACKNOWLEDGEMENT.encode(), row)
        )

    def load_acknowledgements(self, model: str) -> Sequence[Acknowledgement]:
        rows = self._database.run_in_transaction(
            lambda connection: connection.execute(READ_ACKNOWLEDGEMENTS.encode(), (model,)).fetchall()
        )
        return [build_acknowledgement(row) for row in rows]


def _read_history(connection: PgConnection, model: str, since: float) -> RetrainingHistory:
    rows = connection.execute(READ_HISTORY.encode(), {"model": model, "since": since}).fetchall()
    return [build_decision(row) for row in rows]
