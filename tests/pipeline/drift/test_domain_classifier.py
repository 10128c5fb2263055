from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from servicio_ml.domain.drift import compute_psi
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.profile import compute_months
from servicio_ml.pipeline.drift.domain_classifier import (
    MAX_ROWS,
    classify_domains,
    compute_auc,
    compute_practical_auc,
    limit_rows,
)
from servicio_ml.pipeline.drift.multivariate import list_undated_fields, sort_by_date
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import inspect_file
from servicio_ml.use_cases.catalogue import find

RANDOM = np.random.default_rng(3)
RAIN = find("rain_australia")
DATE = RAIN.schema.field_names.index(RAIN.event_date)


def estimate_by_pairs(positive: Any, negative: Any) -> tuple[float, float]:
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
    assert compute_auc(positive, negative) == pytest.approx(estimate_by_pairs(positive, negative))


def test_interval_covers_what_it_says() -> None:
    """The 95 % interval of 400 samples misses the true area in about 20."""
    random, missed = np.random.default_rng(0), 0
    for _ in range(400):
        found, variance = compute_auc(random.normal(1, 1, 100), random.normal(size=150))
        missed += abs(found - 0.760250) > 1.96 * np.sqrt(variance)
    assert 8 <= missed <= 36


@pytest.mark.parametrize("index", [0.1, 0.25, 1.0])
def test_practical_area_is_that_of_normals_with_the_index(index: float) -> None:
    random, edges = np.random.default_rng(0), np.linspace(-6, 6, 241)
    rows, reference = random.normal(np.sqrt(index), 1, 400_000), random.normal(size=400_000)
    shares = (np.histogram(reference, edges)[0] + 0.5) / (len(reference) + 0.5 * (len(edges) - 1))
    counts = np.histogram(rows, edges)[0].tolist()
    assert compute_psi(counts, shares.tolist()) == pytest.approx(index, rel=0.05)
    assert compute_practical_auc(index) == pytest.approx(compute_auc(rows, reference)[0], abs=0.003)


def compare_with_reference(rows: Any, reference: Any, policy: DriftPolicy | None = None) -> Any:
    return classify_domains(rows, reference, ["a", "b", "c"], policy or DriftPolicy(), seed=1)


@pytest.mark.parametrize("count", [100, 1000, 5000])
def test_similar_rows_are_not_distinguished(count: int) -> None:
    random = np.random.default_rng(count)
    found = compare_with_reference(random.normal(size=(count, 3)), random.normal(size=(3000, 3)))
    assert not found.drifted
    assert found.low <= found.auc <= found.high
    assert (found.rows, found.reference_rows) == (count, 3000)


def test_what_no_column_shows_alone_is_found() -> None:
    random = np.random.default_rng(0)
    rows, reference = random.normal(size=(2000, 3)), random.normal(size=(2000, 3))
    rows[:, 2] = rows[:, 1] * 0.9 + rows[:, 2] * np.sqrt(1 - 0.81)
    found = compare_with_reference(rows, reference)
    assert found.drifted
    assert list(found.features)[2] == "a"
    assert sum(found.features.values()) == pytest.approx(1)


def test_one_wrong_column_is_named_and_gaps_are_seen() -> None:
    random = np.random.default_rng(0)
    rows, reference = random.normal(size=(500, 3)), random.normal(size=(500, 3))
    rows[:250, 1] = np.nan
    found = compare_with_reference(rows, reference)
    assert found.drifted
    assert next(iter(found.features)) == "b"


def test_days_that_are_known_again_are_no_drift() -> None:
    """Rows of a day are alike; both sides have days of the same kind."""
    random = np.random.default_rng(0)

    def draw_days(count: int) -> Any:
        return (
            np.repeat(random.normal(size=(count, 3)), 40, axis=0) + random.normal(size=(count * 40, 3)) / 20
        )

    assert not compare_with_reference(draw_days(30), draw_days(100)).drifted


def test_rows_that_have_their_circumstances_in_common_have_a_wider_interval() -> None:
    """Four times the variance is twice the width, about the same area."""
    random = np.random.default_rng(0)
    rows, reference = random.normal(0.4, 1, size=(400, 3)), random.normal(size=(600, 3))
    narrow, wide = (
        compare_with_reference(rows, reference, DriftPolicy(design_effect=each)) for each in (1.0, 4.0)
    )
    assert wide.auc == narrow.auc
    assert wide.high - wide.low == pytest.approx(2 * (narrow.high - narrow.low))
    assert wide.low == pytest.approx(2 * narrow.low - narrow.auc)


def test_constant_columns_separate_nothing() -> None:
    found = compare_with_reference(np.ones((60, 3)), np.ones((60, 3)))
    assert (found.auc, found.low, found.high) == (0.5, 0.5, 0.5)
    assert not any(found.features.values())


def test_bounded_rows_keep_their_order() -> None:
    matrix = np.arange(MAX_ROWS + 5.0)[:, None]
    kept = limit_rows(matrix, np.random.default_rng(0))
    assert kept.shape == (MAX_ROWS, 1)
    assert (np.diff(kept[:, 0]) > 0).all()
    assert limit_rows(matrix[:7], np.random.default_rng(0)).tolist() == matrix[:7].tolist()


@pytest.fixture(scope="module")
def matrix(data_dir: Path) -> Any:
    return _read_rain(data_dir / "weatherAUS.csv")


@pytest.mark.slow
@pytest.mark.real_data
class TestRain:
    @pytest.mark.parametrize(("year", "month"), [(2012, 1), (2013, 6), (2014, 10)])
    def test_a_month_among_the_same_months_of_other_years_is_no_drift(
        self, matrix: Any, year: int, month: int
    ) -> None:
        same = matrix[compute_months(matrix[:, DATE]) == month]
        mine = np.floor(same[:, DATE] / 365.25).astype(int) == year - 1970
        assert not _compare_rain(same[mine], same[~mine]).drifted

    def test_sensors_that_are_lost_are_named(self, matrix: Any, data_dir: Path) -> None:
        later = _read_rain(data_dir / "weatherAUS_2017-07_2019-12.csv")
        july, before = (each[compute_months(each[:, DATE]) == 7] for each in (later, matrix))
        found = _compare_rain(july, before)
        assert found.drifted
        assert "sunshine" in list(found.features)[:3]


def _read_rain(path: Path) -> Any:
    """The fields of a raw file's rows, in the order of time."""
    batches = open_batches(inspect_file(path, path.name), InputSpec(schema=RAIN.schema, use_case=RAIN))
    frame = pl.concat([batches.prepare(each) for each in batches.raw_frames])
    matrix = Encoder(RAIN.schema).encode_frame(frame)[:, : len(RAIN.schema.fields)]
    return sort_by_date(RAIN.schema, matrix)


def _compare_rain(rows: Any, reference: Any) -> Any:
    places = list_undated_fields(RAIN.schema)
    names = [RAIN.schema.field_names[i] for i in places]
    return classify_domains(rows[:, places], reference[:, places], names, RAIN.drift, seed=1)
