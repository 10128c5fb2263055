"""Ramps: what a policy may say, and the errors about the rest."""

from dataclasses import replace
from typing import Any

import pytest

from servicio_ml.domain.rollout.ramp import Ramp, Undecided
from servicio_ml.errors import UseCaseError


def test_a_ramp_ends_with_all_clients() -> None:
    assert Ramp().steps[-1] == 1
    assert Ramp(steps=(1.0,)).steps == (1.0,)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"steps": ()}, "it has 0 steps; it needs 1 to 20"),
        ({"steps": tuple(i / 21 for i in range(1, 22))}, "it has 21 steps; it needs 1 to 20"),
        ({"steps": (0.0, 1.0)}, "steps are 0, 1; they must ascend from above 0, and the last one must be 1"),
        ({"steps": (0.5, 0.5, 1.0)}, "steps are 0.5, 0.5, 1; they must ascend"),
        ({"steps": (0.5, 0.25, 1.0)}, "they must ascend"),
        ({"steps": (0.5,)}, "steps are 0.5; they must ascend from above 0, and the last one must be 1"),
        ({"steps": (0.5, 1.5)}, "they must ascend from above 0, and the last one must be 1"),
        ({"steps": (float("nan"), 1.0)}, "steps"),
        ({"steps": [0.5, 1.0]}, "steps"),
        ({"min_hours": 5.0, "max_hours": 4.0}, "max_hours is 4; it must be at least min_hours, 5"),
        ({"max_hours": 0.0}, "max_hours is 0.0; it must be at most 87840 and above 0"),
        ({"watch_hours": 1e9}, "watch_hours is 1000000000.0; it must be at least 0 and at most 87840"),
        ({"min_hours": -1.0}, "min_hours is -1.0; it must be at least 0"),
        ({"shadow": 0.0}, "shadow is 0.0; it must be at most 1 and above 0"),
        ({"min_rows": 0}, "min_rows is 0; it must be at least 1"),
        ({"error_rate": 0.5}, "error_rate is 0.5; it must be above 0 and below 0.5"),
        ({"error_rate": float("nan")}, "error_rate"),
        ({"max_loss_growth": 0.0}, "max_loss_growth is 0.0; it must be above 0"),
        ({"max_failure_rate": 1.0}, "max_failure_rate is 1.0; it must be above 0 and below 1"),
        ({"undecided": "wait"}, "undecided"),
    ],
    ids=str,
)
def test_a_wrong_ramp_is_refused(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(UseCaseError, match=problem):
        replace(Ramp(), **change)


def test_limits_of_time_may_be_equal_and_the_watch_may_be_left_out() -> None:
    ramp = Ramp(min_hours=4.0, max_hours=4.0, watch_hours=0.0, undecided=Undecided.ADVANCE)
    assert ramp.max_hours == ramp.min_hours
