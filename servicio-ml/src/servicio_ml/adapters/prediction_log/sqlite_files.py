"""The SQLite files of the prediction log: paths, connections and error messages."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servicio_ml.adapters.prediction_log.schema import READ_REVISION, StoreKind, is_newest, upgrade

BUSY_SECONDS = 5.0
"""Maximum wait of a statement for another process."""
PAGE_BYTES = 1024
"""A commit of one row writes four pages, so small pages make it cheaper."""
SCHEMA_LOCK = "schema.lock"


def list_journals(folder: Path) -> list[Path]:
    """List the journal files of all processes of this machine."""
    return sorted(folder.glob("journal-*.db"))


def get_labels_path(folder: Path) -> Path:
    """Path of the file of ground truth."""
    return folder / "labels.db"


def get_decisions_path(folder: Path) -> Path:
    """Path of the file of retraining decisions."""
    return folder / "decisions.db"


def get_champion_lock_path(folder: Path) -> Path:
    """Path of the file whose transaction is the right to move a champion; nothing is written to it."""
    return folder / "champion-lock.db"


def connect(path: Path, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open a connection for writing; the caller begins and ends transactions.

    Raises:
        sqlite3.Error: The file cannot be opened.
    """
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        # the first two only take effect in a new file
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_store(path: Path, store: StoreKind, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open a connection for writing; create the file or upgrade its schema first where needed.

    Raises:
        sqlite3.Error: SQLite refuses.
        OSError: The folder cannot be written.
        NewerSchemaError: A newer program has written the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # SQLite reports SQLITE_BUSY at once, without a wait, when two processes switch a new file to WAL
    with _hold_lock(path.parent / SCHEMA_LOCK):
        connection = connect(path, busy_seconds)
        try:
            if not is_newest(read_revision(connection), store):
                upgrade(store, lambda: connect(path), "BEGIN IMMEDIATE")
        except BaseException:
            connection.close()
            raise
    return connection


def open_readonly(path: Path) -> sqlite3.Connection:
    """Open a connection for reading; the file must exist.

    Raises:
        sqlite3.Error: SQLite refuses.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None,
        check_same_thread=False,
    )  # fmt: skip
    connection.execute("PRAGMA query_only = ON")
    return connection


def read_revision(connection: sqlite3.Connection) -> str | None:
    """Read the revision of the schema; None in a new file."""
    try:
        found = connection.execute(READ_REVISION).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return None if found is None else str(found[0])


def describe_error(error: Exception) -> str:
    """Describe an error, with SQLite's name for it, for a message."""
    name = getattr(error, "sqlite_errorname", "")
    return f"{error} ({name})" if name else str(error)


@contextmanager
def _hold_lock(path: Path) -> Iterator[None]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
