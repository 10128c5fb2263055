"""Segments of a version: each row has one value, and a value the losses of its unseen rows."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from servicio_ml.domain.fields.segment import Segment
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.features.bins import Numbers
from servicio_ml.features.output import Predictions
from servicio_ml.features.performance.looks import WINDOW_DAYS, compute_deviations
from servicio_ml.features.performance.segment_counts import compute_expected_losses, count_segment
from servicio_ml.features.performance.segments import SegmentProfile, UnseenLosses, build_segments

LEVELS = ("a", "b", "other", "c")
FIELDS = FeatureSchema(
    fields=(
        Field(name="age", kind=Kind.NUMBER, nullable=True),
        Field(name="town", kind=Kind.CATEGORY, levels=LEVELS, nullable=True),
    )
)
NAN = np.nan


def build(
    segment: Segment, matrix: Numbers, losses: Sequence[float] = (), days: Numbers | None = None,
    *, is_share: bool = True,
) -> SegmentProfile:  # fmt: skip
    unseen = UnseenLosses(
        rows=np.arange(len(losses)), losses=np.asarray(losses, dtype=float), days=days, is_share=is_share
    )
    [profile] = build_segments(FIELDS, (segment,), matrix, unseen, 3.0)
    assert SegmentProfile.from_json(json.loads(json.dumps(profile.to_json()))) == profile
    return profile


def list_values(profile: SegmentProfile, matrix: Numbers) -> list[str]:
    return [profile.values[place] for place in profile.assign(matrix)]


def test_ranges_hold_their_lower_edge() -> None:
    ages = np.array([-5, 17.9, 18, 64, 65, np.inf, NAN], dtype=np.float32)
    matrix = np.column_stack([ages, np.zeros(7, np.float32)])
    profile = build(Segment(field="age", edges=(18, 65)), matrix)
    assert profile.values == ("< 18", "18 to 65", ">= 65", "missing")
    assert list_values(profile, matrix) == [
        "< 18", "< 18", "18 to 65", "18 to 65", ">= 65", ">= 65", "missing"
    ]  # fmt: skip


def test_the_frequent_levels_have_a_value_and_the_level_other_has_none() -> None:
    towns = np.array([0, 1, 1, 1, 2, 2, 2, 2, 3, 3, NAN], dtype=np.float32)
    matrix = np.column_stack([np.zeros(11, np.float32), towns])
    profile = build(Segment(field="town", maximum=2), matrix)
    assert profile.values == ("b", "c", "other", "missing")
    found = ["other", *["b"] * 3, *["other"] * 4, "c", "c", "missing"]
    assert list_values(profile, matrix) == found
    every = build(Segment(field="town"), matrix)
    assert every.values == ("a", "b", "c", "other", "missing")
    assert list_values(every, matrix[[0, 1, 4, 8, 10]]) == ["a", "b", "other", "c", "missing"]


def test_losses_are_those_of_unseen_rows() -> None:
    towns = np.repeat([0.0, 1.0, NAN], [60, 40, 20]).astype(np.float32)
    matrix = np.column_stack([np.zeros(120, np.float32), towns])
    losses = np.r_[np.arange(60) % 3 == 0, np.zeros(40), np.ones(20)]
    profile = build(Segment(field="town"), matrix, losses)
    assert profile.rows == (60, 40, 0, 0, 20)
    assert profile.is_compared == (True, True, False, False, False)
    mean = 40 / 120
    assert profile.losses[:2] == pytest.approx([(20 + mean) / 61, mean / 41])
    assert profile.variances[1] == pytest.approx(mean / 41 * (1 - mean / 41))
    assert profile.design_effect == 3.0
    numbers = build(Segment(field="town"), matrix, losses * 10, is_share=False)
    assert numbers.losses[0] == pytest.approx(profile.losses[0] * 10)
    assert numbers.variances[0] == pytest.approx(profile.variances[0] * 100)


def test_without_ground_truth_nothing_is_compared() -> None:
    matrix = np.zeros((50, 2), np.float32)
    profile = build(Segment(field="town"), matrix, [NAN] * 50)
    assert profile.rows == ()
    assert not any(profile.is_compared)


@pytest.mark.parametrize(("copies", "expected"), [(1, 1.0), (5, 5.0)])
def test_the_design_effect_is_measured_by_weeks(copies: int, expected: float) -> None:
    """Rows of a day that are copies of each other are worth one."""
    random = np.random.default_rng(4)
    single = 20_000
    town = random.integers(0, 2, single).repeat(copies)
    matrix = np.column_stack([np.zeros(len(town)), town]).astype(np.float32)
    losses = (random.random(single) < 0.2).repeat(copies)
    days = random.integers(0, 1400, single).repeat(copies).astype(float)
    profile = build(Segment(field="town"), matrix, losses.tolist(), days)
    assert profile.design_effect == pytest.approx(expected, rel=0.25)


def test_rows_are_counted_by_value() -> None:
    probabilities = np.array([[0.7, 0.3], [0.2, 0.8], [0.6, 0.4], [0.1, 0.9]])
    answers = Predictions(outcomes=np.array([0.0, 1.0, 1.0, 1.0]), probabilities=probabilities)
    matrix = np.array([[NAN, 0], [1, 0], [2, NAN], [3, 1]], dtype=np.float32)
    losses = compute_expected_losses(answers)
    assert losses == pytest.approx([0.3, 0.2, 0.6, 0.1])
    profile = build(Segment(field="town", cells=True), matrix)
    counts = count_segment(profile, matrix, np.isnan(matrix).sum(axis=1).astype(float), losses, answers)
    assert counts.rows.tolist() == [2, 1, 0, 0, 1]
    assert counts.missing.tolist() == [1, 0, 0, 0, 1]
    assert counts.expected_losses == pytest.approx([0.5, 0.1, 0, 0, 0.6])
    assert counts.cells[0] == pytest.approx(np.array([[0.7, 0.3], [0.2, 0.8]]))
    assert counts.cells.sum() == pytest.approx(4)


def test_more_values_need_more_deviations() -> None:
    found = [compute_deviations(groups) for groups in (1, 10, 100)]
    assert found == sorted(found)
    assert found[0] > 3.5
    assert compute_deviations(10, rate=0.5) < found[1]


def test_a_year_of_sliding_windows_has_few_false_alarms() -> None:
    """Weeks and months of standard normal hours, of which 4,000 years are looked at every six hours."""
    random, limit, steps = np.random.default_rng(3), compute_deviations(1), 4
    alarms = np.zeros(4_000, dtype=bool)
    values = random.standard_normal((4_000, (365 + max(WINDOW_DAYS)) * steps), dtype=np.float32)
    sums = np.cumsum(values, axis=1, dtype=np.float64)
    for days in WINDOW_DAYS:
        width = days * steps
        means = (sums[:, width:] - sums[:, :-width]) / np.sqrt(width)
        alarms |= means[:, -365 * steps :].max(axis=1) > limit
    # less than nominal, as the two windows share rows and six hours are no moment
    assert 0.02 < alarms.mean() < 0.05
