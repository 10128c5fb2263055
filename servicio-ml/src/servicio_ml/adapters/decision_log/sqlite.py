"""The default decision log: a SQLite file that all processes of the machine write."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

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
from servicio_ml.adapters.prediction_log.schema import NewerSchemaError, StoreKind
from servicio_ml.adapters.prediction_log.sqlite_files import (
    connect,
    describe_error,
    get_champion_lock_path,
    get_decisions_path,
    open_readonly,
    open_store,
)
from servicio_ml.domain.drift import Acknowledgement
from servicio_ml.domain.retraining import DecisionEntry, RetrainingHistory
from servicio_ml.errors import LogError

BUSY_SECONDS = 10.0
"""Timeout of waiting for the transaction of another process."""
CHECKPOINT_PAGES = 1000
INSERT_DECISION = f"INSERT INTO decision ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608  constants
INSERT_ACKNOWLEDGEMENT = (
    f"INSERT INTO acknowledgement ({ACKNOWLEDGEMENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  constants
)
READ_ACKNOWLEDGEMENTS = (
    f"SELECT {ACKNOWLEDGEMENT_COLUMNS} FROM acknowledgement WHERE model = ? ORDER BY seq DESC"  # noqa: S608  constants
)
READ_HISTORY = f"""
SELECT {COLUMNS} FROM decision
WHERE model = ?1 AND (at >= ?2 OR seq = (SELECT max(seq) FROM decision WHERE model = ?1)) ORDER BY seq DESC
"""  # noqa: S608  constants


class SqliteDecisionLog:
    """The decision log of this machine.

    Args:
        folder: Folder of the prediction log.

    Raises:
        LogError: The log cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._path = get_decisions_path(folder)
        with self._translate_errors():
            open_store(self._path, StoreKind.DECISIONS).close()

    def record(
        self, model: str, since: float, decide: Callable[[RetrainingHistory], DecisionEntry]
    ) -> DecisionEntry:
        # not `open_store`: its lock would keep other processes from opening any store while this one waits
        with self._translate_errors(), closing(connect(self._path, BUSY_SECONDS)) as connection:
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            # the write lock before the history is read: no other process decides meanwhile
            connection.execute("BEGIN IMMEDIATE")
            history = _read_history(connection, model, since)
            entry = decide(history)
            if entry not in history[:1]:
                connection.execute(INSERT_DECISION, build_row(entry))
            connection.execute("COMMIT")
        return entry

    def load_history(self, model: str, since: float) -> RetrainingHistory:
        with self._translate_errors(), closing(open_readonly(self._path)) as connection:
            return _read_history(connection, model, since)

    @contextmanager
    def hold_champion(self, model: str) -> Iterator[None]:
        # a file of its own: the decisions of all models would wait for MLflow
        with ExitStack() as stack:
            try:
                lock = sqlite3.connect(
                    get_champion_lock_path(self._path.parent), HOLD_SECONDS, isolation_level=None
                )
                stack.enter_context(closing(lock)).execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
                    raise build_held_error(model) from None
                warn_unheld(model, error)
            yield

    def add_acknowledgement(self, entry: Acknowledgement) -> None:
        with self._translate_errors(), closing(connect(self._path, BUSY_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(INSERT_ACKNOWLEDGEMENT, build_acknowledgement_row(entry))
            connection.execute("COMMIT")

    def load_acknowledgements(self, model: str) -> Sequence[Acknowledgement]:
        with self._translate_errors(), closing(open_readonly(self._path)) as connection:
            return [build_acknowledgement(row) for row in connection.execute(READ_ACKNOWLEDGEMENTS, (model,))]

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, NewerSchemaError) as error:
            raise LogError(str(self._path), describe_error(error)) from error


def _read_history(connection: sqlite3.Connection, model: str, since: float) -> RetrainingHistory:
    return [build_decision(row) for row in connection.execute(READ_HISTORY, (model, since))]
