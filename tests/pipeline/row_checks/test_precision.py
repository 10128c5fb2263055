"""A number whose values float32 does not separate is refused before anything is published."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.errors import ContractError
from servicio_ml.pipeline.row_checks.precision import refuse_rounded_numbers

RANDOM = np.random.default_rng(0)


def check_column(values: Any, bounds: tuple[float | None, float | None] = (None, None)) -> None:
    field = Field(
        name="sent", kind=Kind.NUMBER, column="sent", description="", example=1.0, nullable=True,
        minimum=bounds[0], maximum=bounds[1],
    )  # fmt: skip
    rows = pl.LazyFrame({"sent": values}, schema={"sent": pl.Float64})
    refuse_rounded_numbers(rows, FeatureSchema(fields=(field,)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (1_465_948_800.0 + np.arange(3000), "sent: 2976 of its 3000 distinct values become equal"),
        (1_465_948_800_000.0 + 60_000 * np.arange(3000), "of its 3000 distinct values become equal"),
        (16_777_216.0 + np.arange(100), "49 of its 100 distinct values become equal"),
        (100_000_001.0 + np.arange(3000), "subtract an origin"),
    ],
    ids=["seconds since 1970", "minutes in milliseconds", "numbers beyond 2**24", "identifiers"],
)
def test_values_that_become_equal_are_refused(values: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_column(values)


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.random(50_000),
        RANDOM.normal(size=50_000),
        RANDOM.integers(0, 1_000_000_000, 10_000).astype(float),
        1_465_948_800.0 + 86_400 * np.arange(3000),
        [],
        [0.1 + 1e-12, 0.1, 5.0],
    ],
    ids=["shares", "normal", "prices", "days in seconds", "empty", "noise in the last digit"],
)
def test_rounding_of_digits_that_mean_nothing_is_accepted(values: Any) -> None:
    check_column(values)


def test_a_number_with_bounds_is_checked_when_the_use_case_is_read() -> None:
    check_column(16_777_216.0 + np.arange(100), (0, 1e9))
