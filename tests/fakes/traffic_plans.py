"""Traffic plans in memory."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from threading import Lock

from servicio_ml.domain.ports.traffic_plans import ChangedPlan
from servicio_ml.domain.rollout.guardrails import ArmCounts
from servicio_ml.domain.rollout.traffic_plan import TrafficPlan


class MemoryTrafficPlans:
    """Traffic plans that live as long as the object."""

    def __init__(self) -> None:
        self._plans = defaultdict[str, list[TrafficPlan]](list)
        self._counts = dict[tuple[str, str, str], ArmCounts]()
        self._lock = Lock()

    def change(self, model: str, change: Callable[[TrafficPlan | None], ChangedPlan]) -> ChangedPlan:
        with self._lock:
            plans = self._plans[model]
            newest = plans[0] if plans else None
            plan = change(newest)
            if newest is not None and newest.id == plan.id:
                plans[0] = plan
            else:
                plans.insert(0, plan)
        return plan

    def load(self, model: str, limit: int = 1, kind: str = "") -> Sequence[TrafficPlan]:
        return [each for each in self._plans[model] if kind in {"", each.kind}][:limit]

    def save_counts(self, model: str, plan_id: str, process: str, counts: ArmCounts) -> None:
        self._counts[model, plan_id, process] = counts

    def sum_counts(self, model: str, plan_id: str) -> ArmCounts:
        found = [counts for key, counts in self._counts.items() if key[:2] == (model, plan_id)]
        return reduce(add, found, ArmCounts())
