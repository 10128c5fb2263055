"""Memory of a worker: what large requests have freed is given back to the system."""

import ctypes

MAX_ARENAS = "2"
"""Value of glibc's MALLOC_ARENA_MAX: each thread would keep freed memory in an arena of its own."""


def trim_memory() -> None:
    """Give freed memory back to the system; only glibc has to be asked for it."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
