"""Drift of logged rows: each is compared with its own season, as often as the window has rows of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from prediction_chunks import build_chunk
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.domain.prediction import Chunk
from servicio_ml.features.bins import build_level_bins, build_numeric_bins
from servicio_ml.features.profile import ReferenceProfile, SeasonProfile
from servicio_ml.features.window_drift import compute_expected, count_rows, evaluate_drift

JANUARY, JULY = 10.0, 190.0
"""Days since 1970."""


def build_season(rows: int, red: float) -> SeasonProfile:
    """A season whose rows are red by so much, and hardly ever missing."""
    shares = ((0.999, 0.001), (red, 0.999 - red, 0.001), (0.5, 0.499, 0.001))
    return SeasonProfile(rows=rows, shares=shares, performance={})


SEASONS = {"all": build_season(4000, 0.5), "01": build_season(1000, 0.8), "07": build_season(2000, 0.1)}
REFERENCE = ReferenceProfile(
    features=(build_numeric_bins("day", np.array([1.0]), 1), build_level_bins("colour", ("red", "green"))),
    prediction=build_level_bins("prediction", ("no", "yes")),
    seasons=SEASONS,
    policy=DriftPolicy(season="day"),
)


def build_logged_rows(days: Sequence[float], colours: Sequence[float]) -> Chunk:
    """Rows as they are logged, half of them answered with yes."""
    rows = len(days)
    outcomes = (np.arange(rows) % 2).astype("<f8")
    return replace(
        build_chunk(rows=rows),
        features=np.column_stack([days, colours]).astype("<f4").tobytes(),
        outcomes=outcomes.tobytes(),
        probabilities=b"",
    )


def build_colours(red: int, green: int) -> list[float]:
    return [0.0] * red + [1.0] * green


def test_rows_are_counted_by_bin_and_season() -> None:
    found = count_rows(
        REFERENCE, [build_logged_rows([JANUARY, np.nan], [0, 1]), build_logged_rows([JULY], [np.nan])]
    )
    assert [each.tolist() for each in found.columns] == [[2, 1], [1, 1, 1], [2, 1, 0]]
    assert found.seasons.tolist() == [1, 1, 1]
    assert found.rows == 3


def test_a_mixture_of_seasons_expects_a_mixture_of_shares() -> None:
    found = compute_expected(REFERENCE, np.array([0, 300, 100]))
    assert found.shares[1].tolist() == pytest.approx([0.625, 0.374, 0.001])
    assert found.rows == pytest.approx(1 / (0.75**2 / 1000 + 0.25**2 / 2000))


def test_no_rows_expect_what_all_were_like() -> None:
    found = compute_expected(REFERENCE, np.zeros(3, dtype=np.int64))
    assert found.rows == 4000
    assert found.shares[1].tolist() == [0.5, 0.499, 0.001]


@pytest.mark.parametrize(
    ("day", "red", "drifted"),
    [
        pytest.param(JANUARY, 800, False, id="January as in January"),
        pytest.param(JULY, 110, False, id="July as in July"),
        pytest.param(JANUARY, 110, True, id="January as in July"),
        pytest.param(JANUARY, 500, True, id="January as in all months"),
    ],
)
def test_a_row_is_compared_with_its_own_month(day: float, red: int, *, drifted: bool) -> None:
    found = evaluate_drift(
        REFERENCE, count_rows(REFERENCE, [build_logged_rows([day] * 1000, build_colours(red, 1000 - red))])
    )
    colour = found.features[1]
    assert colour.drifted is drifted
    assert found.drifted_share == (0.5 if drifted else 0)
    assert not found.prediction.drifted


def test_both_months_at_once_are_no_drift() -> None:
    rows = [
        build_logged_rows([JANUARY] * 600, build_colours(480, 120)),
        build_logged_rows([JULY] * 400, build_colours(40, 360)),
    ]
    assert evaluate_drift(REFERENCE, count_rows(REFERENCE, rows)).drifted_share == 0


def test_no_rows_have_no_verdict() -> None:
    found = evaluate_drift(REFERENCE, count_rows(REFERENCE, []))
    assert (found.rows, found.drifted_share, found.prediction.shift) == (0, 0, None)
