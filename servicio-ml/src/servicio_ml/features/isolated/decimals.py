"""The decimal numbers that clients sent, found again from float32."""

from typing import Any

import numpy as np
import numpy.typing as npt

FEWEST_DIGITS, MOST_DIGITS = 6, 9
"""A float32 has at least 6 exact decimal digits, and 9 always identify it."""
SMALLEST, LARGEST = 1e-13, 1e22
"""Range of the numbers whose digits are found with exact powers of ten."""
FEW = 8
"""Number of values up to which text is faster than arrays."""


def recover_decimals(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Recover the shortest decimal of each float32, `[n]`: 12.1, not 12.100000381.

    A model that was trained on the decimals compares them with its own thresholds.
    """
    if len(values) <= FEW:
        return _read_texts(values)
    exact = values.astype(np.float64)
    found, sizes = exact.copy(), np.abs(exact)
    rows = np.flatnonzero((sizes >= SMALLEST) & (sizes <= LARGEST))
    for digits in range(FEWEST_DIGITS, MOST_DIGITS + 1):
        rounded = _round_digits(exact[rows], digits)
        equal = rounded.astype(np.float32) == values[rows]
        found[rows[equal]] = rounded[equal]
        rows = rows[~equal]
        if not len(rows):
            break
    rare = np.flatnonzero(np.isfinite(exact) & ((sizes < SMALLEST) | (sizes > LARGEST)) & (exact != 0))
    # one by one: powers of ten beyond 22 are not exact
    found[rare] = _read_texts(values[rare])
    return found


def _read_texts(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    # NumPy writes the shortest decimal that is the same float32
    return np.array([float(str(value)) for value in values], dtype=np.float64)


def _round_digits(values: npt.NDArray[np.float64], digits: int) -> Any:
    """Round to significant digits: a whole number over or times an exact power of ten, rounded once."""
    places = digits - 1 - np.floor(np.log10(np.abs(values)))
    up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    return np.rint(values / down * up) / up * down
