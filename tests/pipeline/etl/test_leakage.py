"""Leaks are found where one threshold separates the target, and only there."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchard_use_case import GRADE, PRICE, TARGET, transform_file
from servicio_ml.domain.schema import Field, Kind, LearnedLevels
from servicio_ml.domain.use_case import Target
from servicio_ml.pipeline.etl.leakage import MIN_ROWS, count_train_test_duplicates, find_leaks
from servicio_ml.pipeline.reading.transform import STATUS, VALUE
from servicio_ml.use_cases.catalogue import find

ROWS = 200
BURN = Target(name="burnout", column="Burn Rate", description="", labels=("Low", "High"), edges=(0.5,))
NUMBER = Field(name="hours", kind=Kind.NUMBER, column="h", description="", example=1.0, nullable=True)
DAY = Field(name="day", kind=Kind.DATE, column="d", description="", example="2020-01-01")
LEVEL = Field(
    name="level", kind=Kind.CATEGORY, column="l", description="", levels=("a", "b", "c"), example="a",
    nullable=True,
)  # fmt: skip
RATES = np.arange(ROWS) / ROWS
NOISE = np.random.default_rng(0).random(ROWS)
HIGH = RATES > 0.4
SIDE = "burn_rate > 0.4"


def _find_leak(field: Field, values: Any, target: Target = BURN, numbers: Any = RATES) -> str:
    rows = pl.DataFrame({field.name: values, VALUE: numbers}, strict=False).lazy()
    return find_leaks(rows, [field], target).get(field.name, "")


WORDS = Field(name="word", kind=Kind.CATEGORY, learned_levels=LearnedLevels(minimum_rows=2))


def test_a_number_that_rises_over_time_has_a_trend_and_no_leak() -> None:
    days = [date(2020, 1, 1) + timedelta(days=each) for each in range(ROWS)]
    assert _find_leak(DAY, days, PRICE) == ""
    known = replace(DAY, nullable=True)
    gaps = [day if high else None for day, high in zip(days, HIGH, strict=True)]
    assert _find_leak(known, gaps, PRICE) == "day is present exactly when ripe > 0.4"


SEPARATIONS = [
    pytest.param(NUMBER, np.where(HIGH, 48.0, 47.0), f"hours >= 48 exactly when {SIDE}", id="up"),
    pytest.param(NUMBER, np.where(HIGH, 2.0, 3.5), f"hours <= 2 exactly when {SIDE}", id="down"),
    pytest.param(NUMBER, [None if high else 1.0 for high in HIGH], "hours is missing exactly", id="gaps"),
    pytest.param(NUMBER, [1.0 if high else None for high in HIGH], "hours is present", id="filled"),
    pytest.param(
        LEVEL, [("b" if r > 0.8 else "c") if r > 0.4 else "a" for r in RATES],
        f"level is one of b, c exactly when {SIDE}", id="levels",
    ),
    pytest.param(
        DAY, [date(2020, 1, 1) + timedelta(days=int(high)) for high in HIGH],
        f"day >= 2020-01-02 exactly when {SIDE}",
        id="date",
    ),
    pytest.param(NUMBER, RATES * 2, "hours >= 1 exactly when burn_rate > 0.495", id="copy"),
    pytest.param(
        NUMBER, [None if i % 3 == 0 else 1.0 + high for i, high in enumerate(HIGH)],
        f"hours >= 2 exactly when {SIDE}", id="missing ones apart",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("field", "values", "reason"), SEPARATIONS)
def test_a_separation_is_named(field: Field, values: Any, reason: str) -> None:
    assert _find_leak(field, values).startswith(reason)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(RATES + 0.5 * NOISE, id="strong but overlapping"),
        pytest.param(NOISE, id="noise"),
        pytest.param(np.ones(ROWS), id="constant"),
        pytest.param([None] * ROWS, id="all missing"),
        pytest.param(np.where(RATES > 0.96, 1.0, 0.0), id="too few on one side"),
    ],
)
def test_what_does_not_separate_is_no_leak(values: Any) -> None:
    assert _find_leak(NUMBER, values) == ""


def test_one_overlapping_row_is_enough() -> None:
    values = np.where(HIGH, 48.0, 47.0)
    values[0] = 48
    assert _find_leak(NUMBER, values) == ""


def test_among_few_rows_nothing_is_said() -> None:
    numbers = np.arange(2 * MIN_ROWS - 1, dtype=float)
    assert _find_leak(NUMBER, numbers, numbers=numbers) == ""
    numbers = np.arange(2 * MIN_ROWS, dtype=float)
    assert _find_leak(NUMBER, numbers, numbers=numbers) != ""


@pytest.mark.parametrize(
    ("target", "numbers", "reason"),
    [
        (TARGET, HIGH.astype(float), "ripe is yes"),
        (GRADE, RATES, "ripe > 0.4"),
        (PRICE, RATES * 1e6, "ripe > 400000"),
        (
            Target(name="size", column="S", description="", labels=("S", "M", "L")),
            HIGH + (RATES > 0.7) * 1.0,
            "size is one of M, L",
        ),
    ],
    ids=["label", "cut number", "number", "three labels"],
)
def test_the_target_side_is_named(target: Target, numbers: Any, reason: str) -> None:
    assert _find_leak(NUMBER, np.where(HIGH, 1.0, 0.0), target, numbers).endswith(f"exactly when {reason}")


def _is_separable(feature: list[int | None], target: list[int]) -> bool:
    """Whether a threshold, or missing against present, separates; found by trying them all."""
    min_rows = max(MIN_ROWS, 0.05 * len(target))
    sides = [_divide(target, [f is None for f in feature]), *_divide_by_thresholds(feature, target)]
    return any(
        max(low) < min(high) or max(high) < min(low)
        for low, high in sides
        if min(len(low), len(high)) >= min_rows
    )


def _divide_by_thresholds(
    feature: list[int | None], target: list[int]
) -> Iterator[tuple[list[int], list[int]]]:
    known = [(f, t) for f, t in zip(feature, target, strict=True) if f is not None]
    for threshold in {f for f, _ in known}:
        yield _divide([t for _, t in known], [f < threshold for f, _ in known])


def _divide(target: list[int], condition: list[bool]) -> tuple[list[int], list[int]]:
    pairs = list(zip(target, condition, strict=True))
    return [t for t, holds in pairs if holds], [t for t, holds in pairs if not holds]


@given(st.data())
def test_the_check_agrees_with_trying_every_threshold(data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, 4))
    size = data.draw(st.integers(20, 60))
    feature = data.draw(st.lists(st.none() | st.integers(0, 4), min_size=size, max_size=size))
    noise = data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    sign = data.draw(st.sampled_from([1, -1]))
    spread = data.draw(st.sampled_from([1, 4, 5]))
    target = [n + sign * spread * (f is None or f > cut) for f, n in zip(feature, noise, strict=True)]
    values = pl.Series(feature, dtype=pl.Float64)
    assert bool(_find_leak(NUMBER, values, PRICE, [float(t) for t in target])) == _is_separable(
        feature, target
    )


def test_train_test_duplicates_are_counted_on_the_named_fields() -> None:
    train = pl.LazyFrame({"a": [1.0, 2.0, None], "b": ["x", "y", None], "c": [1, 2, 3]})
    test = pl.LazyFrame({"a": [1.0, 1.0, 2.0, None], "b": ["x", "x", "x", None], "c": [9, 9, 9, 9]})
    assert count_train_test_duplicates(train, test, ["a", "b"]) == 3
    assert count_train_test_duplicates(train, test, ["a", "b", "c"]) == 0


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["employee_burnout", "employee_burn_rate"])
def test_the_four_leaks_of_the_enriched_burnout_file(data_dir: Any, tmp_path: Any, name: str) -> None:
    use_case = find(name)
    frame = transform_file(data_dir / "enriched_employee_dataset.csv", use_case, tmp_path)
    found = find_leaks(frame.lazy().filter(pl.col(STATUS) == "kept"), use_case.schema.fields, use_case.target)
    assert found == {
        "work_hours_per_week": f"work_hours_per_week >= 48 exactly when {SIDE}",
        "deadline_pressure_score": f"deadline_pressure_score >= 4 exactly when {SIDE}",
        "work_life_balance_score": f"work_life_balance_score <= 2 exactly when {SIDE}",
        "recognition_frequency": f"recognition_frequency <= 1 exactly when {SIDE}",
    }


def test_rare_texts_of_a_learned_category_are_one_level() -> None:
    # each row's own text would separate anything
    assert _find_leak(WORDS, [f"n{row}" for row in range(ROWS)]) == ""
    assert _find_leak(WORDS, np.where(HIGH, "b", "a")) == f"word is b exactly when {SIDE}"
