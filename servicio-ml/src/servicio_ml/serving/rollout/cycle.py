"""The regular work of a server for traffic plans: save counts, take the next action, read the plans."""

import logging
import secrets

from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.domain.rollout.guardrails import ArmCounts
from servicio_ml.errors import ServicioError
from servicio_ml.lifecycle.experiments.maintainer import ExperimentMaintainer
from servicio_ml.lifecycle.rollout.maintainer import KnownChampion, RolloutMaintainer
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.rollout.arm_counter import ArmCounter

logger = logging.getLogger(__name__)
ID_BYTES = 8


class CountSaver:
    """Saves what this process has counted for rollouts.

    Args:
        plans: Store of the traffic plans.
        arm_counter: Counts of this process.
    """

    def __init__(self, plans: TrafficPlanStore, arm_counter: ArmCounter) -> None:
        self._plans, self._arm_counter = plans, arm_counter
        # a process that starts again counts from 0, and must not replace what it has saved before
        self._process = secrets.token_hex(ID_BYTES)
        self._saved: dict[tuple[str, str], ArmCounts] = {}

    def save(self) -> None:
        """Save the counts that have changed; without the store, they are saved at the next call."""
        for key, counts in self._arm_counter.get_counts().items():
            if self._saved.get(key) == counts:
                continue
            try:
                self._plans.save_counts(*key, self._process, counts)
            except ServicioError as error:
                logger.warning("the counts of a rollout were not saved: %s", error)
                return
            self._saved[key] = counts


class RolloutCycle:
    """Work for rollouts and experiments that each worker of a server does at each interval.

    Args:
        models: Loaded models.
        saver: Saves the counts of this process.
        rollouts: Takes the next action of each rollout.
        experiments: Takes the next action of each experiment.
    """

    def __init__(
        self,
        models: LoadedModels,
        saver: CountSaver,
        rollouts: RolloutMaintainer,
        experiments: ExperimentMaintainer,
    ) -> None:
        self._models, self._saver, self._maintainers = models, saver, (rollouts, experiments)

    def run(self) -> bool:
        """Do the work; return whether a traffic plan has changed since the last time."""
        self._saver.save()
        for name, status in list(self._models.statuses.items()):
            champion = status.find_alias(CHAMPION)
            if champion is not None:
                known = KnownChampion(version=champion.version, checked_at=status.checked_at)
                for each in self._maintainers:
                    each.maintain(name, known)
        return self._models.refresh_plans()
