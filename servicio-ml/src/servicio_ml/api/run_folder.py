"""The folder of what the processes of a run share: metrics, tallies, the registry's socket."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own is made in it
"""Where files are memory, on Linux."""
PREFIX = "servicio-ml-run-"
LOCK = "lock"
"""Held as long as the run lasts, however it ends."""


@contextmanager
def run_folder() -> Iterator[Path]:
    """A folder, in memory where there is such a place; removed at the end.

    What killed runs have left is removed first.
    """
    place = MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())
    for left in place.glob(f"{PREFIX}*/{LOCK}"):
        _sweep(left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(left: Path) -> None:
    try:
        with left.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left.parent, ignore_errors=True)
    except OSError:
        return  # its run lasts, or it is somebody else's
