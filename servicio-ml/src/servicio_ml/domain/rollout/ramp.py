"""Ramp: shares, limits and deadlines of a rollout."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any

from servicio_ml.domain.checks.attributes import (
    Count,
    InnerShare,
    Limits,
    Positive,
    check_attributes,
)
from servicio_ml.errors import UseCaseError

MAX_STEPS = 20
MAX_HOURS = 10 * 366 * 24
"""Maximum of a time: ten years, so that every deadline is a date."""
Hours = Annotated[float, Limits(minimum=0, maximum=MAX_HOURS)]


class Undecided(StrEnum):
    """What happens when a step has had its time without enough evidence."""

    ABORT = "abort"
    ADVANCE = "advance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """Rollout of a challenger in steps, each left by evidence.

    A rollout begins with the challenger in shadow only. In each step, the guardrails compare both versions on
    the same rows: a breach ends the rollout at once, evidence that all hold leads to the next step.

    Attributes:
        shadow: Share of the rows (0–1) that the version which does not answer scores, too.
        steps: Shares of the clients (0–1) that the challenger answers, ascending, the last one 1.
        min_rows: Minimum number of rows that the challenger has scored in a step.
        min_hours: Minimum time of a step.
        max_hours: Maximum time of a step.
        undecided: Action after the maximum time: `abort` or `advance`.
        needs_labels: Whether a step waits for evidence on the loss, which needs ground truth.
        max_loss_growth: Maximum growth of the loss on labelled rows, as a share of the champion's: Brier
            score of classes, absolute error of numbers.
        max_expected_loss_growth: Maximum growth of the loss that each version expects of itself, which needs
            no ground truth.
        max_shift: Maximum shift of the mean of a score to either side, in pooled standard deviations of both
            versions.
        max_failure_rate: Maximum share of rows that the challenger fails to score.
        max_latency_growth: Maximum growth of the time to score the same rows, as a share of the champion's.
        error_rate: Probability (0–1) that a challenger within all limits is ever rolled back, for the ramp
            and for the watch each.
        watch_hours: Time after the last step in which the former champion scores in shadow and may come back.
    """

    shadow: Annotated[float, Limits(above=0, maximum=1)] = 0.5
    steps: tuple[float, ...] = (0.01, 0.05, 0.25, 0.5, 1.0)
    min_rows: Count = 500
    min_hours: Hours = 0.0
    max_hours: Annotated[float, Limits(above=0, maximum=MAX_HOURS)] = 168.0
    undecided: Undecided = Undecided.ABORT
    needs_labels: bool = True
    max_loss_growth: Positive = 0.03
    max_expected_loss_growth: Positive = 0.1
    max_shift: Positive = 0.1
    max_failure_rate: InnerShare = 0.005
    max_latency_growth: Positive = 0.25
    error_rate: Annotated[float, Limits(above=0, below=0.5)] = 0.05
    watch_hours: Hours = 72.0

    def __post_init__(self) -> None:
        check_attributes(self, "ramp")
        if not 0 < len(self.steps) <= MAX_STEPS:
            raise UseCaseError("ramp", f"it has {len(self.steps)} steps; it needs 1 to {MAX_STEPS}")
        if any(later <= earlier for earlier, later in pairwise((0.0, *self.steps))) or self.steps[-1] != 1:
            shown = ", ".join(f"{step:g}" for step in self.steps)
            raise UseCaseError(
                "ramp", f"steps are {shown}; they must ascend from above 0, and the last one must be 1"
            )
        if self.max_hours < self.min_hours:
            problem = f"max_hours is {self.max_hours:g}; it must be at least min_hours, {self.min_hours:g}"
            raise UseCaseError("ramp", problem)


def build_ramp(document: Mapping[str, Any]) -> Ramp:
    """Build a ramp from its stored document."""
    return Ramp(
        **{**document, "steps": tuple(document["steps"]), "undecided": Undecided(document["undecided"])}
    )
