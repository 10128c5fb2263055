"""Deterministic samples of rows by their prediction id."""

import numpy as np
import numpy.typing as npt

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
FIRST_MULTIPLIER, SECOND_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
TWO_TO_64 = 2.0**64
LAST_64_BITS = (1 << 64) - 1


def select_rows(key: bytes, rows: int, share: float) -> npt.NDArray[np.bool_]:
    """Return the mask `[rows]` of a chunk's rows that belong to a share of all rows.

    The finalizer of SplitMix64 (Steele, Lea and Flood 2014) over the id's last 64 bits.
    """
    # derived from the id alone: a row that is read again gets the same answer
    state = np.uint64(int.from_bytes(key[8:], "big")) ^ np.uint64(int.from_bytes(key[:8], "big"))
    # the mixing wraps around modulo 2**64 by design
    with np.errstate(over="ignore"):
        mixed = (np.arange(rows, dtype=np.uint64) + state) * GOLDEN_GAMMA
        mixed = (mixed ^ (mixed >> np.uint64(30))) * FIRST_MULTIPLIER
        mixed = (mixed ^ (mixed >> np.uint64(27))) * SECOND_MULTIPLIER
    return (mixed ^ (mixed >> np.uint64(31))) / TWO_TO_64 < share


def is_selected(key: bytes, index: int, share: float) -> bool:
    """Return whether one row of a chunk belongs to a share of all rows, as `select_rows` decides."""
    # without NumPy, whose calls cost more for one row
    state = int.from_bytes(key[8:], "big") ^ int.from_bytes(key[:8], "big")
    mixed = ((index + state) * int(GOLDEN_GAMMA)) & LAST_64_BITS
    mixed = ((mixed ^ (mixed >> 30)) * int(FIRST_MULTIPLIER)) & LAST_64_BITS
    mixed = ((mixed ^ (mixed >> 27)) * int(SECOND_MULTIPLIER)) & LAST_64_BITS
    return (mixed ^ (mixed >> 31)) / TWO_TO_64 < share
