"""Lock of a platform: one process at a time starts, holds or stops it."""

import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from deploy.embedded.settings import StatePaths

POLL_SECONDS = 0.1


@contextmanager
def lock_platform(paths: StatePaths, owner: str = "") -> Iterator[bool]:
    """Lock the platform of a state folder; yield False if another process holds the lock.

    Args:
        paths: Paths of the platform.
        owner: Process id that others may signal to release the lock; empty if it is released soon anyway.
    """
    with paths.lock.open("a+") as lock:
        try:
            # the kernel releases it with the process, also when that is killed
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        lock.truncate(0)
        lock.write(owner)
        lock.flush()
        yield True


def read_lock_owner(paths: StatePaths) -> int:
    """Process id that may be signalled to release the lock; 0 if its holder releases it soon anyway."""
    return int(paths.lock.read_text() or 0)


@contextmanager
def take_over_lock(paths: StatePaths) -> Iterator[int]:
    """Lock the platform after its owner has ended; yield the owner's process id, or 0 if nobody held it."""
    owner = 0
    while True:
        with lock_platform(paths) as is_locked:
            if is_locked:
                yield owner
                return
        # one signal only: a second one would interrupt the owner while it stops the components
        if not owner and (owner := read_lock_owner(paths)):
            with suppress(ProcessLookupError):
                os.kill(owner, signal.SIGTERM)
        threading.Event().wait(POLL_SECONDS)
