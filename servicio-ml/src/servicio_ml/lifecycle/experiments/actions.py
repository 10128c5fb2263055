"""Experiments of a model: begin, change and list."""

import secrets
from collections.abc import Callable

from servicio_ml.domain.experiments.design import ExperimentDesign
from servicio_ml.domain.experiments.experiment import EXPERIMENT, Experiment
from servicio_ml.domain.experiments.transitions import start_experiment
from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.domain.rollout.traffic_plan import TrafficPlan, refuse_running
from servicio_ml.errors import RolloutError
from servicio_ml.lifecycle.rollout.actions import ID_BYTES


def begin_experiment(
    plans: TrafficPlanStore,
    model: str,
    champion: int,
    design: ExperimentDesign,
    classes: int,
    by: str,
    times: tuple[float, float],
) -> Experiment:
    """Begin an experiment; every server that reads the store takes part.

    Args:
        plans: Store of the traffic plans.
        model: Name of the model.
        champion: Version that gets the rest of the clients.
        design: Declaration.
        classes: Number of classes of the model's target; 0 for a number.
        by: Name of the person or program that begins it.
        times: Present time, and the time from which clients are assigned, in seconds since 1970.

    Raises:
        RolloutError: The model has a rollout or an experiment that is not over, the champion has a share, or
            the metric does not fit the model.
        LogError: The store cannot be reached.
    """
    identifier = secrets.token_hex(ID_BYTES)
    experiment = start_experiment(model, identifier, champion, design, classes, by, times)

    def add(newest: TrafficPlan | None) -> Experiment:
        refuse_running(newest)
        return experiment

    return plans.change(model, add)


def change_experiment(
    plans: TrafficPlanStore, model: str, transition: Callable[[Experiment], Experiment]
) -> Experiment:
    """Change the newest experiment of a model.

    Raises:
        RolloutError: The model never had one, a rollout came later, or its state does not allow the change.
        LogError: The store cannot be reached.
    """

    def change(newest: TrafficPlan | None) -> Experiment:
        if not isinstance(newest, Experiment):
            found = "no experiment" if newest is None else "a rollout, and no experiment since"
            raise RolloutError(model, f"it has {found}; begin one: servicio-ml experiment {model} start")
        return transition(newest)

    return plans.change(model, change)


def list_experiments(plans: TrafficPlanStore, model: str, limit: int) -> list[Experiment]:
    """List the experiments of a model, the newest first.

    Raises:
        LogError: The store cannot be reached.
    """
    return [each for each in plans.load(model, limit, EXPERIMENT) if isinstance(each, Experiment)]
