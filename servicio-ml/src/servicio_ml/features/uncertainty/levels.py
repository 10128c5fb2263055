"""Levels of intervals and sets, as requests and artifacts name them."""

from math import ceil

from servicio_ml.errors import RequestError, format_value

MIN_LEVEL, MAX_LEVEL = 0.5, 0.99
LEVEL_STEPS = 98
LEVELS = tuple(round(MIN_LEVEL + step * (MAX_LEVEL - MIN_LEVEL) / LEVEL_STEPS, 3) for step in range(99))
"""Levels that an artifact has a quantile for; a level between two gets the quantile of the next."""
DEFAULT_LEVEL = 0.9
"""Level whose coverage is counted when ground truth arrives."""
ALLOWED_LEVEL = f"it takes a share from {MIN_LEVEL:g} to {MAX_LEVEL:g}, such as {DEFAULT_LEVEL:g}"
INTERVAL = "interval"
"""Name of the level in a request, and in its answer."""


def parse_level(value: object) -> float:
    """Parse the parameter `interval` of a request.

    Raises:
        RequestError: The value is no share from `MIN_LEVEL` to `MAX_LEVEL`.
    """
    # a boolean is a number in Python
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            level = float(value)
        except (ValueError, OverflowError):
            level = 0.0
        # NaN fails both comparisons
        if MIN_LEVEL <= level <= MAX_LEVEL:
            return level
    raise RequestError(f"{INTERVAL} {format_value(value)}", ALLOWED_LEVEL)


def compute_needed_rows(level: float) -> int:
    """Compute the number n of rows from which a level has a finite quantile: (n + 1) level <= n."""
    return ceil(round(level / (1 - level), 6))
