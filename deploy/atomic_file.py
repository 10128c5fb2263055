"""Atomic creation and replacement of files, with their final permissions from the start."""

import os
import sys
import tempfile
from pathlib import Path

UNFINISHED = ".unfinished-"
"""Prefix of temporary files; one that a killed process has left is unused."""


def create(path: Path, text: str, mode: int) -> None:
    """Create a file.

    Raises:
        FileExistsError: The file exists; it stays unchanged.
    """
    unfinished = _write_unfinished(path, text, mode)
    try:
        # unlike a rename, a link never replaces what is there
        os.link(unfinished, path)
    finally:
        unfinished.unlink()
    _sync_folder(path.parent)


def replace(path: Path, text: str, mode: int) -> None:
    """Replace an existing file."""
    _write_unfinished(path, text, mode).replace(path)
    _sync_folder(path.parent)


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files that a killed process has left."""
    for left in folder.glob(f"{UNFINISHED}*"):
        left.unlink(missing_ok=True)


def _write_unfinished(path: Path, text: str, mode: int) -> Path:
    handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            # by its path, as Windows has no `fchmod`
            unfinished.chmod(mode)
            os.fsync(handle)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return unfinished


def _sync_folder(folder: Path) -> None:
    """Write a folder's entries to the disk: syncing the file does not make its name durable."""
    if sys.platform == "win32":  # opens no folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
