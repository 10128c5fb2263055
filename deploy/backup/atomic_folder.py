"""Atomic creation of a folder."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.backup.manifest import BackupError

MODE = 0o700
"""Permissions of the folder: a backup holds all data, so only its owner may read it."""


@contextmanager
def create_atomically(target: Path) -> Iterator[Path]:
    """Create a folder atomically: yield an empty folder beside `target`, then rename it to `target`.

    After an error nothing is left. A killed process leaves its folder to the next one with the same target.

    Raises:
        BackupError: Another process is writing the same target.
    """
    unfinished = target.with_name(f".unfinished-{target.name}")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished.mkdir(exist_ok=True, mode=MODE)
    handle = os.open(unfinished, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"another process is writing {target}; wait for it") from error
        _clear(unfinished)
        try:
            yield unfinished
        except BaseException:
            shutil.rmtree(unfinished)
            raise
        os.sync()
        unfinished.rename(target)
    finally:
        os.close(handle)


def _clear(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()
