"""Levels of intervals in requests."""

from typing import Any

import pytest

from servicio_ml.errors import RequestError
from servicio_ml.features.uncertainty.levels import LEVELS, compute_needed_rows, parse_level


@pytest.mark.parametrize(
    ("given", "level"), [("0.9", 0.9), (0.5, 0.5), (" .99 ", 0.99), ("9e-1", 0.9)], ids=str
)
def test_a_share_is_a_level(given: Any, level: float) -> None:
    assert parse_level(given) == level


@pytest.mark.parametrize(
    "given",
    ["", "90", "0.49", "0.991", "nan", "inf", "-0.9", "1", "half", True, None, [0.9], 10**400],
    ids=repr,
)
def test_anything_else_is_refused(given: Any) -> None:
    with pytest.raises(RequestError, match=r"interval .*it takes a share from 0\.5 to 0\.99, such as 0\.9"):
        parse_level(given)


def test_levels_are_half_percents() -> None:
    assert (LEVELS[0], LEVELS[1], LEVELS[-2], LEVELS[-1]) == (0.5, 0.505, 0.985, 0.99)
    assert 0.9 in LEVELS


@pytest.mark.parametrize(("level", "rows"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_a_level_needs_its_rows(level: float, rows: int) -> None:
    assert compute_needed_rows(level) == rows
