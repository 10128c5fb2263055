"""Files that appear whole or not at all, readable by whom they say from their first moment on."""

import os
import tempfile
from pathlib import Path

UNFINISHED = ".unfinished-"
"""How the name of a file begins that a killed process may have left; it holds nothing anybody uses."""


def create(path: Path, text: str, mode: int) -> None:
    """Write a file that is not there.

    Raises:
        FileExistsError: It is there meanwhile, and stays as it is.
    """
    unfinished = _written(path, text, mode)
    try:
        # unlike a rename, a link never replaces what is there
        os.link(unfinished, path)
    finally:
        unfinished.unlink()
    _settle(path.parent)


def replace(path: Path, text: str, mode: int) -> None:
    """Write a file in the place of the one that is there."""
    _written(path, text, mode).replace(path)
    _settle(path.parent)


def tidy(folder: Path) -> None:
    """Remove what a killed process left."""
    for left in folder.glob(f"{UNFINISHED}*"):
        left.unlink(missing_ok=True)


def _written(path: Path, text: str, mode: int) -> Path:
    handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fchmod(handle, mode)
            os.fsync(handle)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return unfinished


def _settle(folder: Path) -> None:
    """Make the disk remember the name, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
