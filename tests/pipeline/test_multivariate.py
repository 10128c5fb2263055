from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from servicio_ml.domain.drift import stability_index
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.profile import months
from servicio_ml.pipeline.batches import examine, open_batches
from servicio_ml.pipeline.drift import ordered, undated
from servicio_ml.pipeline.layout import Wanted
from servicio_ml.pipeline.multivariate import MOST_ROWS, area, bounded, practical_area, tell_apart
from servicio_ml.use_cases.catalogue import find

RANDOM = np.random.default_rng(3)
RAIN = find("rain_australia")
DATE = RAIN.schema.field_names.index(RAIN.event_date)


def brute(positive: Any, negative: Any) -> tuple[float, float]:
    """DeLong's estimate from every pair."""
    pairs = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    above, below = pairs.mean(axis=1), pairs.mean(axis=0)
    return pairs.mean(), above.var(ddof=1) / len(positive) + below.var(ddof=1) / len(negative)


@pytest.mark.parametrize(
    ("positive", "negative"),
    [
        pytest.param(RANDOM.normal(0.4, 1, 70), RANDOM.normal(size=50), id="normal"),
        pytest.param(RANDOM.integers(0, 4, 40) + 1.0, RANDOM.integers(0, 4, 90) + 0.0, id="ties"),
        pytest.param(np.array([2.0, 3.0]), np.array([0.0, 1.0]), id="apart"),
        pytest.param(np.ones(5), np.ones(7), id="all the same"),
    ],
)
def test_area_is_that_of_every_pair(positive: Any, negative: Any) -> None:
    assert area(positive, negative) == pytest.approx(brute(positive, negative))


def test_interval_covers_what_it_says() -> None:
    """Of 400 samples, the 95 % interval misses the true area in about 20."""
    random, missed = np.random.default_rng(0), 0
    for _ in range(400):
        found, variance = area(random.normal(1, 1, 100), random.normal(size=150))
        missed += abs(found - 0.760250) > 1.96 * np.sqrt(variance)
    assert 8 <= missed <= 36


@pytest.mark.parametrize("index", [0.1, 0.25, 1.0])
def test_practical_area_is_that_of_normals_with_the_index(index: float) -> None:
    random, edges = np.random.default_rng(0), np.linspace(-6, 6, 241)
    rows, reference = random.normal(np.sqrt(index), 1, 400_000), random.normal(size=400_000)
    shares = (np.histogram(reference, edges)[0] + 0.5) / (len(reference) + 0.5 * (len(edges) - 1))
    counts = np.histogram(rows, edges)[0].tolist()
    assert stability_index(counts, shares.tolist()) == pytest.approx(index, rel=0.05)
    assert practical_area(index) == pytest.approx(area(rows, reference)[0], abs=0.003)


def apart(rows: Any, reference: Any, policy: DriftPolicy | None = None) -> Any:
    return tell_apart(rows, reference, ["a", "b", "c"], policy or DriftPolicy(), seed=1)


@pytest.mark.parametrize("count", [100, 1000, 5000])
def test_alike_rows_are_not_told_apart(count: int) -> None:
    random = np.random.default_rng(count)
    found = apart(random.normal(size=(count, 3)), random.normal(size=(3000, 3)))
    assert not found.drifted
    assert found.low <= found.auc <= found.high
    assert (found.rows, found.reference_rows) == (count, 3000)


def test_what_no_column_shows_alone_is_found() -> None:
    random = np.random.default_rng(0)
    rows, reference = random.normal(size=(2000, 3)), random.normal(size=(2000, 3))
    rows[:, 2] = rows[:, 1] * 0.9 + rows[:, 2] * np.sqrt(1 - 0.81)
    found = apart(rows, reference)
    assert found.drifted
    assert list(found.features)[2] == "a"
    assert sum(found.features.values()) == pytest.approx(1)


def test_one_wrong_column_is_named_and_gaps_are_seen() -> None:
    random = np.random.default_rng(0)
    rows, reference = random.normal(size=(500, 3)), random.normal(size=(500, 3))
    rows[:250, 1] = np.nan
    found = apart(rows, reference)
    assert found.drifted
    assert next(iter(found.features)) == "b"


def test_days_that_are_known_again_are_no_drift() -> None:
    """Rows of a day are alike; both sides have days of the same kind."""
    random = np.random.default_rng(0)

    def days(count: int) -> Any:
        return (
            np.repeat(random.normal(size=(count, 3)), 40, axis=0) + random.normal(size=(count * 40, 3)) / 20
        )

    assert not apart(days(30), days(100)).drifted


def test_rows_that_have_their_circumstances_in_common_have_a_wider_interval() -> None:
    """Four times the variance is twice the width, about the same area."""
    random = np.random.default_rng(0)
    rows, reference = random.normal(0.4, 1, size=(400, 3)), random.normal(size=(600, 3))
    narrow, wide = (apart(rows, reference, DriftPolicy(design_effect=each)) for each in (1.0, 4.0))
    assert wide.auc == narrow.auc
    assert wide.high - wide.low == pytest.approx(2 * (narrow.high - narrow.low))
    assert wide.low == pytest.approx(2 * narrow.low - narrow.auc)


def test_constant_columns_tell_nothing() -> None:
    found = apart(np.ones((60, 3)), np.ones((60, 3)))
    assert (found.auc, found.low, found.high) == (0.5, 0.5, 0.5)
    assert not any(found.features.values())


def test_bounded_rows_keep_their_order() -> None:
    matrix = np.arange(MOST_ROWS + 5.0)[:, None]
    kept = bounded(matrix, np.random.default_rng(0))
    assert kept.shape == (MOST_ROWS, 1)
    assert (np.diff(kept[:, 0]) > 0).all()
    assert bounded(matrix[:7], np.random.default_rng(0)).tolist() == matrix[:7].tolist()


@pytest.fixture(scope="module")
def matrix(data_dir: Path) -> Any:
    return _rain(data_dir / "weatherAUS.csv")


@pytest.mark.slow
@pytest.mark.real_data
class TestRain:
    @pytest.mark.parametrize(("year", "month"), [(2012, 1), (2013, 6), (2014, 10)])
    def test_a_month_among_the_same_months_of_other_years_is_no_drift(
        self, matrix: Any, year: int, month: int
    ) -> None:
        same = matrix[months(matrix[:, DATE]) == month]
        mine = np.floor(same[:, DATE] / 365.25).astype(int) == year - 1970
        assert not _rain_apart(same[mine], same[~mine]).drifted

    def test_sensors_that_are_lost_are_named(self, matrix: Any, data_dir: Path) -> None:
        later = _rain(data_dir / "weatherAUS_2017-07_2019-12.csv")
        july, before = (each[months(each[:, DATE]) == 7] for each in (later, matrix))
        found = _rain_apart(july, before)
        assert found.drifted
        assert "sunshine" in list(found.features)[:3]


def _rain(path: Path) -> Any:
    """The fields of a raw file's rows, in the order of time."""
    batches = open_batches(examine(path, path.name), Wanted(schema=RAIN.schema, use_case=RAIN))
    frame = pl.concat([batches.prepare(each) for each in batches.raw])
    matrix = Encoder(RAIN.schema).frame(frame)[:, : len(RAIN.schema.fields)]
    return ordered(RAIN.schema, matrix)


def _rain_apart(rows: Any, reference: Any) -> Any:
    places = undated(RAIN.schema)
    names = [RAIN.schema.field_names[i] for i in places]
    return tell_apart(rows[:, places], reference[:, places], names, RAIN.drift, seed=1)
