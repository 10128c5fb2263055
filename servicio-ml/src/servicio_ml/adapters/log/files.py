"""The SQLite files of the log: where they are, how they are opened, what their errors mean."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servicio_ml.adapters.log.schema import READ_REVISION, Store, is_newest, upgrade

BUSY_SECONDS = 5.0
"""How long a statement waits for another process."""
PAGE_BYTES = 1024
"""A commit of one row writes four pages: small ones make it cheaper."""
NEW_FILE_LOCK = "schema.lock"


def slot_paths(folder: Path) -> list[Path]:
    """The journals of every process of this machine."""
    return sorted(folder.glob("journal-*.db"))


def labels_path(folder: Path) -> Path:
    """The file of ground truth."""
    return folder / "labels.db"


def decisions_path(folder: Path) -> Path:
    """The file of what was decided about retrainings."""
    return folder / "decisions.db"


def connect(path: Path, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """A connection to write with; transactions begin and end where the caller says so.

    Raises:
        sqlite3.Error: The file cannot be opened.
    """
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        # the first two count when the file is new
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_store(path: Path, store: Store, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """As `connect`, the file made and its schema brought up to date where that is needed.

    Raises:
        sqlite3.Error: SQLite refuses.
        OSError: The folder cannot be written.
        NewerSchemaError: The file was made by a newer program.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent / NEW_FILE_LOCK):
        connection = connect(path, busy_seconds)
        try:
            if not is_newest(revision(connection), store):
                upgrade(store, lambda: connect(path), "BEGIN IMMEDIATE")
        except BaseException:
            connection.close()
            raise
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection to read with; the file must be there.

    Raises:
        sqlite3.Error: SQLite refuses.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None,
        check_same_thread=False,
    )  # fmt: skip
    connection.execute("PRAGMA query_only = ON")
    return connection


def revision(connection: sqlite3.Connection) -> str | None:
    """The schema's revision, None in a file that has none yet."""
    try:
        found = connection.execute(READ_REVISION).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return None if found is None else str(found[0])


def reason(error: Exception) -> str:
    """What went wrong, for a message."""
    name = getattr(error, "sqlite_errorname", "")
    return f"{error} ({name})" if name else str(error)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
