"""The folder that the processes of a run share: metrics, bin counts, the registry's socket."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108  a private folder is created in it
"""Folder whose files are in memory, on Linux."""
FOLDER_PREFIX = "servicio-ml-run-"
LOCK_FILE = "lock"
"""File that is locked as long as the run lasts, however it ends."""


@contextmanager
def create_run_folder() -> Iterator[Path]:
    """Create a folder, in memory where the system has such a parent, and remove it at the end.

    Folders of killed runs are removed first.
    """
    parent = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else Path(tempfile.gettempdir())
    for lock_file in parent.glob(f"{FOLDER_PREFIX}*/{LOCK_FILE}"):
        _remove_abandoned(lock_file)
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=parent))
    try:
        with (folder / LOCK_FILE).open("w") as lock:
            # the kernel releases the lock of a killed process, so no stale folder is mistaken for a live one
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(lock_file: Path) -> None:
    try:
        with lock_file.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock_file.parent, ignore_errors=True)
    except OSError:
        return  # its run is alive, or it belongs to another user
