"""Slots: the journal file that a process writes alone, and the lock by which it does.

A lock goes with its process, however that ends. Whoever holds the lock of a slot also looks after it: ships
and prunes it.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from servicio_ml.errors import JournalError

MAX_SLOTS = 4096
"""More processes than a machine has."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slot:
    """A journal file with its lock held.

    Attributes:
        path: The file.
        lock: Descriptor of the lock file.
    """

    path: Path
    lock: int

    def release(self) -> None:
        """Let another process have it."""
        os.close(self.lock)


def take(folder: Path) -> Slot:
    """The first slot that no living process has, so that a new process goes on with what a dead one left.

    Raises:
        JournalError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(MAX_SLOTS):
            slot = try_slot(folder / f"journal-{number}.db")
            if slot is not None:
                return slot
    except OSError as error:
        raise JournalError(folder, str(error)) from error
    raise JournalError(folder, f"all {MAX_SLOTS} slots are taken")


def shared_path(folder: Path, name: str) -> Path:
    """The file of a journal that several processes write."""
    return folder / f"journal-{name}.db"


def try_slot(path: Path) -> Slot | None:
    """The slot of that file, None when another process has it.

    Raises:
        OSError: The lock file cannot be made.
    """
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        os.close(lock)
        raise
    return Slot(path=path, lock=lock)
