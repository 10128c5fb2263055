"""The comparison of expected performance: how segments are found, pooled and judged."""

import polars as pl
import pytest
from benchmarks.quality.expected.compare_expected import (
    SegmentResult,
    SegmentValues,
    compute_pooled,
    summarize,
)
from benchmarks.quality.expected.segments import SEGMENTS, find_segments

from servicio_ml.use_cases.catalogue import find


def build_result(metric: str, realised: float, *estimates: float) -> SegmentResult:
    return SegmentResult(segment="s", rows=300, metric=metric, realised=realised, estimates=estimates)


def test_every_row_is_in_one_segment_of_each_dimension() -> None:
    frame = pl.DataFrame(
        {
            "designation": [1.0, 2.0, None, 1.0], "resource_allocation": [3.0, 3.0, 3.0, 3.0],
            "mental_fatigue_score": [2.0, 2.1, None, 9.0], "wfh_setup_available": ["Yes", "No", "No", "Yes"],
            "company_type": ["Product"] * 4,
        }
    )  # fmt: skip
    found = dict(find_segments("employee_burnout", frame))
    for dimension in SEGMENTS["employee_burnout"]:
        rows = sorted(i for name, each in found.items() if name.startswith(dimension) for i in each.tolist())
        assert rows == [0, 1, 2, 3]
    assert found["designation missing"].tolist() == [2]
    # an edge belongs to the range below it
    assert found["fatigue ≤ 2"].tolist() == [0]


@pytest.mark.parametrize("name", SEGMENTS)
def test_segments_read_fields_of_their_use_case(name: str) -> None:
    frame = pl.DataFrame(
        {
            each.name: pl.Series([None], dtype=pl.Date if each.is_dated else pl.Float64)
            for each in find(name).schema.fields
        }
    )
    assert [rows.tolist() for _, rows in find_segments(name, frame)] == [[0]] * len(SEGMENTS[name])


def test_values_of_folds_are_those_of_all_rows() -> None:
    parts = [
        SegmentValues(rows=100, metrics=(), sources=({"mae": 1.0, "rmse": 3.0},)),
        SegmentValues(rows=300, metrics=(), sources=({"mae": 2.0, "rmse": 1.0},)),
    ]
    assert compute_pooled("mae", parts, 0) == pytest.approx((100 * 1 + 300 * 2) / 400)
    assert compute_pooled("rmse", parts, 0) == pytest.approx(((100 * 9 + 300 * 1) / 400) ** 0.5)


def test_only_shifted_segments_are_summarized() -> None:
    results = [
        build_result("mae", 100, 110, 150, 150),
        build_result("mae", 100, 130, 105, 120),
        build_result("mae", 200, 130, 230, 190),
    ]
    assert [*summarize(results)] == [3, 2, "32.5%", "10.0%", "12.5%", "1 of 2", "1 of 2"]


def test_nothing_is_said_of_no_shifted_segment() -> None:
    assert [*summarize([build_result("mae", 100, 110, 100, 100)])] == [1, 0, "–", "–", "–", "–", "–"]


def test_the_distance_of_a_share_is_a_difference() -> None:
    assert build_result("roc_auc", 0.8, 0.9, 0.82, 0.79).distances == pytest.approx((0.1, 0.02, -0.01))
