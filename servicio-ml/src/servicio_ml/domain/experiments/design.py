"""Design of an experiment: what is declared before it starts, and never changed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from servicio_ml.domain.checks.attributes import (
    Count,
    InnerShare,
    Limits,
    Positive,
    check_attributes,
)
from servicio_ml.domain.rollout.ramp import MAX_HOURS, Hours
from servicio_ml.errors import UseCaseError

MAX_ARMS = 8
"""Maximum number of versions, the champion included."""
MAX_PHASES = 500
"""Maximum number of changes of the shares by a bandit."""
BINARY_CLASSES = 2


class ExperimentMetric(StrEnum):
    """Metrics of an experiment: means over the rows with ground truth; their values are public.

    `loss` is the Brier score of classes, or the absolute error of a number; `error` is the share of wrong
    classes; `truth` is the ground truth itself, 1 for the positive class of two: a conversion, or a revenue.
    """

    LOSS = "loss"
    ERROR = "error"
    TRUTH = "truth"


class Bandit(StrEnum):
    """Rules by which the shares follow the outcomes."""

    NONE = "none"
    THOMPSON = "thompson"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentDesign:
    """Declaration of an experiment.

    Attributes:
        shares: Share of the clients (0–1) of each version but the champion, which gets the rest.
        metric: Metric whose mean is compared.
        minimum_effect: Minimum improvement that matters, in the metric's unit.
        relative: Whether the effect is a share of the champion's mean instead.
        greater_is_better: Whether a greater truth is better; None for a loss or an error, which should be
            small.
        error_rate: Probability (0–1) that any verdict is ever wrong.
        max_hours: Maximum time.
        max_rows: Maximum number of rows with ground truth; None for no limit.
        label_hours: Time after the end in which ground truth still counts.
        design_effect: Variance of a mean relative to that of independent rows, 1 or more: rows of one client
            are alike.
        bandit: Rule by which the shares follow the outcomes.
        min_share: Minimum share of each version, the champion included, of a bandit.
        adapt_hours: Time between two changes of the shares by a bandit.
    """

    shares: Mapping[Count, InnerShare]
    metric: ExperimentMetric
    minimum_effect: Positive
    relative: bool = False
    greater_is_better: bool | None = None
    error_rate: Annotated[float, Limits(above=0, below=0.5)] = 0.05
    max_hours: Annotated[float, Limits(above=0, maximum=MAX_HOURS)] = 336.0
    max_rows: Count | None = None
    label_hours: Hours = 72.0
    design_effect: Annotated[float, Limits(minimum=1)] = 1.0
    bandit: Bandit = Bandit.NONE
    min_share: InnerShare = 0.05
    adapt_hours: Positive = 1.0

    def __post_init__(self) -> None:
        check_attributes(self, "experiment")
        if (
            problem := self._find_share_problem()
            or self._find_metric_problem()
            or self._find_bandit_problem()
        ):
            raise UseCaseError("experiment", problem)

    @property
    def sign(self) -> int:
        """1 where greater values are better, else -1."""
        return 1 if self.greater_is_better else -1

    @property
    def rest(self) -> float:
        """Share of the clients (0–1) that the champion answers."""
        return 1 - math.fsum(self.shares.values())

    def find_task_problem(self, classes: int) -> str:
        """Describe why a model cannot be measured by the metric; else return an empty text.

        Args:
            classes: Number of classes of its target; 0 for a number.
        """
        if self.metric is ExperimentMetric.ERROR and not classes:
            return "metric error is a share of wrong classes, and the model predicts a number; use loss"
        if self.metric is ExperimentMetric.TRUTH and classes > BINARY_CLASSES:
            return f"metric truth is the mean of a number or of two classes, and the model has {classes}"
        return ""

    def _find_share_problem(self) -> str:
        if not 0 < len(self.shares) < MAX_ARMS:
            return f"shares name {len(self.shares)} versions; name 1 to {MAX_ARMS - 1} besides the champion"
        if not self.rest > 0:
            return f"shares add up to {math.fsum(self.shares.values()):g}; the champion needs a rest of 1"
        return ""

    def _find_metric_problem(self) -> str:
        if (self.metric is ExperimentMetric.TRUTH) == (self.greater_is_better is None):
            return (
                f"greater_is_better is {self.greater_is_better}; it must be True or False for the metric "
                "truth, and None for others"
            )
        return ""

    def _find_bandit_problem(self) -> str:
        if self.bandit is Bandit.NONE:
            return ""
        lowest = min(self.rest, *self.shares.values())
        if lowest < self.min_share:
            return f"a share is {lowest:g}, below min_share, which is {self.min_share:g}"
        if self.max_hours / self.adapt_hours > MAX_PHASES:
            allowed = self.max_hours / MAX_PHASES
            return (
                f"adapt_hours is {self.adapt_hours:g}; {self.max_hours:g} hours need at least {allowed:.3g}"
            )
        return ""
