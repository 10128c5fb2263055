"""The state folder of the embedded platform: what of it is kept, and copying it while it is written to."""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from deploy.backup.manifest import BackupError

LEFT_OUT = frozenset({"run", "logs", "secrets", "prometheus", "alertmanager", "redis"})
"""Folders of programs that run, with what they make anew, and secrets, which do not belong into backups."""
PASSING = (".partial", ".lock", "-wal", "-shm", "-journal")
"""Endings of files that belong to a process or, being part of a database, to its backup."""
POINTER = ".json"
"""Of files that name others, which are written before them."""
SQLITE_MAGIC = b"SQLite format 3\0"
BUSY_SECONDS = 60.0
ATTEMPTS = 3


class ChangedError(BackupError):
    """A file went away while it was to be copied."""


def kept(state: Path) -> list[Path]:
    """The files of a state folder that a backup holds."""
    return sorted(path for path in _walk(state) if path.is_file() and not path.is_symlink())


def _walk(state: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(state):
        here = Path(folder)
        hidden = [name for name in folders if name.startswith(".")]
        out = [*hidden, *(LEFT_OUT if here == state else ())]
        folders[:] = [name for name in folders if name not in out]
        yield from (here / name for name in names if not name.endswith(PASSING))


def in_use(state: Path) -> list[Path]:
    """The lock files of a state folder that a process holds."""
    return [path for path in sorted(state.rglob("*.lock")) if path.is_file() and _held(path)]


def _held(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def copy(state: Path, target: Path) -> None:
    """Copy what is kept, as it was at one moment for everything that refers to something else.

    Databases and files that name others are copied first: what they name was there before them. Should any
    file have gone away meanwhile, everything is copied again.

    Raises:
        BackupError: Files went away each time, or a database is damaged.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _copied(state, target)
        except ChangedError:
            if attempt == ATTEMPTS:
                raise
            shutil.rmtree(target)
    return None


def _copied(state: Path, target: Path) -> None:
    before = kept(state)
    first = [path for path in before if is_database(path) or path.suffix == POINTER]
    for path in first:
        _copy(state, path, target)
    for path in sorted({*before, *kept(state)} - set(first)):
        _copy(state, path, target)


def _copy(state: Path, path: Path, target: Path) -> None:
    to = target / path.relative_to(state)
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        if is_database(path):
            _copy_database(path, to)
        else:
            _copy_file(path, to)
    except FileNotFoundError as error:
        problem = f"{path} went away while it was copied; run the backup when nothing is pruned"
        raise ChangedError(problem) from error


def is_database(path: Path) -> bool:
    """Whether it is a SQLite database."""
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
    """By SQLite's online backup: as of one moment, while others write."""
    try:
        with closing(_opened(path)) as source, closing(sqlite3.connect(to)) as copied:
            source.backup(copied)
            # a database of one file, which needs no other to be read
            copied.execute("PRAGMA journal_mode = DELETE")
            [(found,)] = copied.execute("PRAGMA quick_check(1)")
    except sqlite3.Error as error:
        raise BackupError(f"{path}: {error}") from error
    if found != "ok":
        raise BackupError(f"{path} is damaged: {' '.join(found.split())}")


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)


def has_data(state: Path) -> Sequence[str]:
    """The names of what a state folder keeps, at its top."""
    if not state.is_dir():
        return ()
    return sorted({path.relative_to(state).parts[0] for path in kept(state)})
