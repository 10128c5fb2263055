"""Port of the traffic plans: rollouts and experiments, and what the servers count for rollouts."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from servicio_ml.domain.rollout.guardrails import ArmCounts
from servicio_ml.domain.rollout.traffic_plan import TrafficPlan

ChangedPlan = TypeVar("ChangedPlan", bound=TrafficPlan)


class TrafficPlanStore(Protocol):
    """Traffic plans of all models, shared by all processes and replicas.

    Every method raises `LogError` when the store refuses and may be called from several threads::

        plan = plans.change("rain_australia", pause_newest)
    """

    def change(self, model: str, change: Callable[[TrafficPlan | None], ChangedPlan]) -> ChangedPlan:
        """Replace the newest plan of a model by what `change` makes of it, while nobody else changes one.

        A plan with a new identifier becomes the newest. Nothing is written when `change` raises, or returns
        what it got. `change` runs inside a transaction and may run again, so it must have no side effect.
        """
        ...

    def load(self, model: str, limit: int = 1, kind: str = "") -> Sequence[TrafficPlan]:
        """Load the plans of a model, the newest first; those of one kind if it is not empty."""
        ...

    def save_counts(self, model: str, plan_id: str, process: str, counts: ArmCounts) -> None:
        """Save what one process has counted for a plan so far, in place of what it saved before."""
        ...

    def sum_counts(self, model: str, plan_id: str) -> ArmCounts:
        """Return the sum of what all processes have counted for a plan."""
        ...
