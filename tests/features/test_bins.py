"""Bins of a column: every value falls into one; frequent and missing values have a bin of their own."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.features.bins import (
    MIN_ROWS_TO_COMPARE,
    build_field_bins,
    build_level_bins,
    build_numeric_bins,
    build_quantile_bins,
)

numbers = arrays(
    np.float32, st.integers(1, 60), elements=st.floats(-100, 100, width=32) | st.just(float("nan"))
)


@given(numbers, st.integers(2, 12))
def test_every_number_falls_into_one_bin(values: np.ndarray, count: int) -> None:
    bins = build_numeric_bins("x", values, count)
    counts = bins.count(values)
    assert counts.sum() == len(values)
    assert counts[-1] == np.isnan(values).sum()
    assert len(bins.labels) == len(bins.edges) + 2
    assert list(bins.edges) == sorted(set(bins.edges))


@given(numbers, st.integers(2, 12))
def test_counts_are_those_of_numpy(values: np.ndarray, count: int) -> None:
    bins = build_numeric_bins("x", values, count)
    known = values[~np.isnan(values)]
    expected, _ = np.histogram(known, bins=[-np.inf, *bins.edges, np.inf])
    assert bins.count(values)[:-1].tolist() == expected.tolist()


def test_quantile_bins_hold_the_same_mass() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    assert np.ptp(build_numeric_bins("x", values, 10).count(values)[:-1]) <= 1


def repeat_atoms(atoms: Sequence[tuple[int, int]]) -> npt.NDArray[np.float32]:
    """Repeat values as often as they have rows."""
    return np.repeat([at for at, _ in atoms], [rows for _, rows in atoms]).astype(np.float32)


discrete = st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 30)), min_size=2, max_size=20)


@given(discrete, st.integers(2, 12))
def test_every_bin_holds_values_and_no_value_leaves_its_bin_by_rounding(
    atoms: list[tuple[int, int]], count: int
) -> None:
    values = repeat_atoms(atoms)
    bins = build_numeric_bins("x", values, count)
    if len(np.unique(values)) > 1:
        assert all(bins.count(values)[:-1] > 0)
        # zero alone is exact
        moved = np.where(values == 0, values, values * np.float32(1.0001))
        assert bins.count(moved).tolist() == bins.count(values).tolist()


@given(discrete, st.integers(2, 12))
def test_a_label_names_the_values_of_its_bin(atoms: list[tuple[int, int]], count: int) -> None:
    values = repeat_atoms(atoms)
    bins = build_numeric_bins("x", values, count)
    for value in np.unique(values):
        [place] = np.flatnonzero(bins.count(np.array([value])))
        low, _, high = bins.labels[place].partition(" to ")
        if high:
            assert float(low) <= value <= float(high)
        elif low[0] not in "<>":
            assert float(low) == value
    assert len(set(bins.labels)) == len(bins.labels)


# the ten most frequent sizes of the engines of used cars, in cc, and some between them, with their rows
ENGINES = {
    796: 384, 814: 99, 998: 364, 1086: 121, 1196: 76, 1197: 693, 1198: 152, 1199: 234, 1248: 833, 1396: 266,
    1461: 162, 1493: 111, 1498: 309, 1582: 130, 1999: 69, 2179: 333, 2494: 168, 2523: 159,
}  # fmt: skip


@pytest.mark.parametrize("bins", [8, 10, 12])
def test_an_engine_falls_into_the_bin_that_names_it(bins: int) -> None:
    engines = repeat_atoms([*ENGINES.items()])
    made = build_numeric_bins("engine", engines, bins)
    counts = made.count(engines)
    assert all(counts[:-1] > 0)
    [place] = np.flatnonzero(made.count(np.array([1248], dtype=np.float32)))
    assert made.labels[place] == "1248"
    assert counts[place] == ENGINES[1248]
    # as one that is converted from litres
    for near in (1247.9, 1248.1):
        assert made.count(np.array([near], dtype=np.float32))[place] == 1


def test_a_rare_value_is_apart_from_a_frequent_one() -> None:
    values = np.array([0.0] * 95 + [1.0] * 5, dtype=np.float32)
    bins = build_numeric_bins("x", values, 10)
    assert (bins.labels, bins.count(values).tolist()) == (("0", "1", "missing"), [95, 5, 0])
    assert bins.count(values / 2).tolist() == [100, 0, 0]


def test_rare_values_between_frequent_ones_share_a_bin() -> None:
    values = np.array([0] * 300 + [50] * 300 + [*range(10, 40)] + [*range(60, 90)], dtype=np.float32)
    bins = build_numeric_bins("x", values, 4)
    assert bins.labels == ("0", "10 to 29", "30 to 39", "50", "60 to 69", ">= 70", "missing")
    assert bins.count(values).sum() == len(values)


def test_the_few_values_beside_a_frequent_one_are_cut_by_quantiles() -> None:
    values = np.array([0.0] * 930 + [*range(1, 71)], dtype=np.float32)
    bins = build_numeric_bins("x", values, 10)
    assert bins.labels == ("0", "1 to 23", "24 to 46", ">= 47", "missing")
    assert bins.count(values).tolist() == [930, 23, 23, 24, 0]
    for few in (values[:1], values):
        shifted = few + np.float32(1e-30)
        assert bins.count(shifted)[0] == 0


def test_labels_have_as_many_digits_as_keep_them_apart() -> None:
    bins = build_numeric_bins("x", np.arange(1_234_567, 1_234_587, dtype=np.float32), 10)
    assert len(set(bins.labels)) == len(bins.labels) == len(bins.edges) + 2
    assert bins.labels[0] == "<= 1234568"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_rows_are_counted_as_few_are(dtype: type) -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 40, 3 * MIN_ROWS_TO_COMPARE).astype(dtype) / dtype(7)
    values[random.random(len(values)) < 0.1] = np.nan
    for bins in (build_numeric_bins("x", values, 10), build_numeric_bins("x", values[:1] * np.nan, 10)):
        quarters = [bins.count(quarter) for quarter in np.array_split(values, 4)]
        assert bins.count(values).tolist() == np.sum(quarters, axis=0).tolist()


def test_values_that_are_all_missing_make_one_bin() -> None:
    assert build_numeric_bins("x", np.array([np.nan, np.nan]), 10).labels == ("any", "missing")


def test_a_constant_is_apart_from_every_other_value() -> None:
    assert build_numeric_bins("x", np.array([5.0, 5.0]), 10).labels == ("< 5", "5", "> 5", "missing")


def test_levels_have_a_bin_each() -> None:
    bins = build_level_bins("x", ("a", "b", "c"))
    assert bins.labels == ("a", "b", "c", "missing")
    assert bins.count(np.array([0, 1, 2, 2, np.nan])).tolist() == [1, 1, 2, 1]


def test_predictions_have_bins_of_quantiles_alone() -> None:
    values = np.array([0.1] * 400 + [0.3] * 300 + [0.8] * 300)
    bins = build_quantile_bins("prediction", values, 10)
    assert bins.labels == ("0.1", "0.3", "0.8", "missing")
    assert build_quantile_bins("prediction", values[:1] * np.nan, 10).labels == ("any", "missing")


def test_a_boolean_has_two_bins_and_one_for_missing_values() -> None:
    values = np.array([0, 1, 1, np.nan], dtype=np.float32)
    bins = build_field_bins(Field(name="flag", kind=Kind.BOOLEAN, nullable=True), values, 10)
    assert (bins.labels, bins.count(values).tolist()) == (("false", "true", "missing"), [1, 2, 1])
