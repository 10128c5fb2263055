"""A folder that appears whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.backup.manifest import BackupError

MODE = 0o700
"""A backup holds everything: nobody else reads it."""


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """An empty folder beside `target`, which it becomes at the end; after an error nothing is left.

    What a killed process has left is removed by the next that wants the same target.

    Raises:
        BackupError: Another process is at it.
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
        _empty(unfinished)
        try:
            yield unfinished
        except BaseException:
            shutil.rmtree(unfinished)
            raise
        os.sync()
        unfinished.rename(target)
    finally:
        os.close(handle)


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()
