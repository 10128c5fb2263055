"""Shares that are the same whenever they are asked for: of rows by their id, of clients by their key."""

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
WHOLE = 2.0**64


def chosen(key: bytes, rows: int, share: float) -> npt.NDArray[np.bool_]:
    """Which rows of a chunk belong to a share of all rows, `[rows]`.

    The finalizer of SplitMix64 (Steele, Lea and Flood 2014) over the id's last 64 bits.
    """
    state = np.uint64(int.from_bytes(key[8:], "big")) ^ np.uint64(int.from_bytes(key[:8], "big"))
    with np.errstate(over="ignore"):
        mixed = (np.arange(rows, dtype=np.uint64) + state) * GOLDEN_GAMMA
        mixed = (mixed ^ (mixed >> np.uint64(30))) * FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * SECOND
    return (mixed ^ (mixed >> np.uint64(31))) / WHOLE < share


def share_of(client: str) -> float:
    """A client's place in [0, 1)."""
    return int.from_bytes(blake2b(client.encode(), digest_size=8).digest(), "big") / WHOLE
