"""Copy of the embedded platform's state folder while the platform writes to it."""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from deploy.backup.manifest import BackupError

EXCLUDED_FOLDERS = frozenset({"run", "logs", "secrets", "prometheus", "alertmanager", "redis"})
"""Folders that a backup excludes: secrets, and files that programs write anew."""
TRANSIENT_SUFFIXES = (".partial", ".lock", "-wal", "-shm", "-journal")
"""Suffixes of files that a backup excludes: those of processes, and SQLite's, whose content its copy has."""
POINTER_SUFFIX = ".json"
"""Suffix of files that refer to other files, which are always written before them."""
SQLITE_MAGIC = b"SQLite format 3\0"
BUSY_SECONDS = 60.0
ATTEMPTS = 3


class ChangedError(BackupError):
    """A file was removed or written while it was copied."""


def list_backed_up(state: Path) -> list[Path]:
    """List the files of a state folder that a backup includes."""
    return sorted(path for path in _walk(state) if path.is_file() and not path.is_symlink())


def _walk(state: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(state):
        here = Path(folder)
        hidden = [name for name in folders if name.startswith(".")]
        out = [*hidden, *(EXCLUDED_FOLDERS if here == state else ())]
        folders[:] = [name for name in folders if name not in out]
        yield from (here / name for name in names if not name.endswith(TRANSIENT_SUFFIXES))


def list_held_locks(state: Path) -> list[Path]:
    """List the lock files of a state folder that a process holds."""
    return [path for path in sorted(state.rglob("*.lock")) if path.is_file() and _is_locked(path)]


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def copy_state(state: Path, target: Path) -> None:
    """Copy a state folder so that every file that a copied database or file refers to is in the copy.

    Databases and files that refer to others are copied first, because the files they refer to existed before
    them. If a file is removed meanwhile, everything is copied again, up to three times in all.

    Raises:
        BackupError: Files were removed or written during each attempt, or a database is damaged.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _copy_all(state, target)
        except ChangedError:
            if attempt == ATTEMPTS:
                raise
            shutil.rmtree(target)
    return None


def _copy_all(state: Path, target: Path) -> None:
    before = list_backed_up(state)
    first = [path for path in before if is_database(path) or path.suffix == POINTER_SUFFIX]
    for path in first:
        _copy_path(state, path, target)
    for path in sorted({*before, *list_backed_up(state)} - set(first)):
        _copy_path(state, path, target)


def _copy_path(state: Path, path: Path, target: Path) -> None:
    to = target / path.relative_to(state)
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        if is_database(path):
            _copy_database(path, to)
        else:
            _copy_file(path, to)
    except FileNotFoundError as error:
        problem = f"{path} was removed while it was copied; run the backup when nothing is pruned"
        raise ChangedError(problem) from error


def is_database(path: Path) -> bool:
    """Whether a file is a SQLite database."""
    if path.suffix != ".db":
        return False
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def _copy_file(path: Path, to: Path) -> None:
    for _ in range(ATTEMPTS):
        before = path.stat()
        shutil.copyfile(path, to)
        after = path.stat()
        if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
            return
    raise ChangedError(f"{path} is being written; run the backup when it is finished")


def _copy_database(path: Path, to: Path) -> None:
    """Copy a database with SQLite's online backup: a consistent state while others write."""
    try:
        with closing(_open_database(path)) as source, closing(sqlite3.connect(to)) as copied:
            source.backup(copied)
            # a database of one file, which needs no other to be read
            copied.execute("PRAGMA journal_mode = DELETE")
            [(found,)] = copied.execute("PRAGMA quick_check(1)")
    except sqlite3.Error as error:
        raise BackupError(f"{path}: {error}") from error
    if found != "ok":
        raise BackupError(f"{path} is damaged: {' '.join(found.split())}")


def _open_database(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)


def list_data(state: Path) -> Sequence[str]:
    """List the names at the top of a state folder that a backup includes."""
    if not state.is_dir():
        return ()
    return sorted({path.relative_to(state).parts[0] for path in list_backed_up(state)})
