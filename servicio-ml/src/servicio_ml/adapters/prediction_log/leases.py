"""Leases of journal files: the lock that lets one process write a journal file alone.

The operating system releases a lock when its process ends, however it ends. The process that holds the lease
of a journal file also maintains it: ships, prunes and checkpoints it.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from servicio_ml.errors import JournalError

MAX_JOURNALS = 4096
"""Maximum number of journal files of a machine, above the number of its processes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JournalLease:
    """A journal file whose lock this process holds.

    Attributes:
        path: The journal file.
        lock_descriptor: File descriptor of the lock file.
    """

    path: Path
    lock_descriptor: int

    def release(self) -> None:
        """Release the lock, so that another process can acquire it."""
        os.close(self.lock_descriptor)


def acquire_lease(folder: Path) -> JournalLease:
    """Acquire the first free lease, so that a new process continues the journal of one that ended.

    Raises:
        JournalError: The folder cannot be written, or every lease is held.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # numbers are tried in order, so that few files are used and a restarted process continues its own
        for number in range(MAX_JOURNALS):
            lease = try_acquire_lease(folder / f"journal-{number}.db")
            if lease is not None:
                return lease
    except OSError as error:
        raise JournalError(folder, str(error)) from error
    raise JournalError(folder, f"all {MAX_JOURNALS} journal leases are held")


def get_shared_path(folder: Path, name: str) -> Path:
    """Path of a journal file that several processes write."""
    return folder / f"journal-{name}.db"


def try_acquire_lease(path: Path) -> JournalLease | None:
    """Acquire the lease of a journal file; None when another process holds it.

    Raises:
        OSError: The lock file cannot be created.
    """
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        # flock, not lockf: a POSIX lock would be lost when any descriptor of the file is closed
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        os.close(lock)
        raise
    return JournalLease(path=path, lock_descriptor=lock)
