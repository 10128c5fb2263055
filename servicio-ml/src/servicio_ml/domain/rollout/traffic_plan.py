"""Traffic plan: what splits the traffic of a model among its versions, of which it has one at a time."""

from collections.abc import Callable, Mapping
from typing import Any

from servicio_ml.domain.experiments.experiment import EXPERIMENT, Experiment, build_experiment
from servicio_ml.domain.rollout.rollout import ROLLOUT, Rollout, RolloutState, build_rollout
from servicio_ml.domain.rollout.transitions import CHANGEABLE
from servicio_ml.errors import RolloutError

TrafficPlan = Rollout | Experiment
BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], TrafficPlan]] = {
    ROLLOUT: build_rollout,
    EXPERIMENT: build_experiment,
}
"""Builders of plans from their stored documents, by kind."""


def refuse_running(newest: TrafficPlan | None) -> None:
    """Refuse what a running plan excludes: another plan, or shares that are set by hand.

    Raises:
        RolloutError: The newest plan of the model has not ended.
    """
    if newest is None or newest.has_ended:
        return
    if isinstance(newest, Experiment):
        shown = ", ".join(map(str, newest.versions))
        problem = (
            f"an experiment with versions {shown} is running; wait for its end, or stop it: "
            f"servicio-ml experiment {newest.model} stop"
        )
    else:
        state = newest.state.replace("_", " ")
        problem = f"the rollout of version {newest.challenger} is {state}; wait for its end"
        if newest.state in CHANGEABLE:
            problem += f", or end it: servicio-ml rollout {newest.model} abort"
        elif newest.state is RolloutState.WATCHING:
            problem += f", or put the former champion back: servicio-ml rollback {newest.model}"
    raise RolloutError(newest.model, problem)
