"""Judges the outcomes of experiments, adapts their shares and ends them, on one replica at a time."""

import logging
from collections.abc import Callable
from dataclasses import replace

from servicio_ml.domain.experiments.experiment import Experiment
from servicio_ml.domain.experiments.outcome_sums import OutcomeTable
from servicio_ml.domain.experiments.transitions import judge_experiment, needs_evaluation, stop_superseded
from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.errors import ServicioError
from servicio_ml.lifecycle.experiments.actions import change_experiment
from servicio_ml.lifecycle.rollout.maintainer import KnownChampion

logger = logging.getLogger(__name__)
JUDGE_SHARE = 1 / 500
"""Minimum time between two evaluations as a share of the time since the start: all rows are read for each."""
ReadOutcomes = Callable[[Experiment, float], OutcomeTable]
"""Reads the outcomes of an experiment from the prediction log, until a time; raises `ServicioError`."""


class ExperimentMaintainer:
    """Judges experiments.

    Args:
        plans: Store of the traffic plans.
        read_outcomes: Reads the rows with ground truth.
        clock: Returns the time in seconds since 1970.
        judge_seconds: Minimum time between two evaluations.
        lead_seconds: Time in which all replicas hear of new shares.
    """

    def __init__(
        self,
        plans: TrafficPlanStore,
        read_outcomes: ReadOutcomes,
        clock: Clock,
        *,
        judge_seconds: float,
        lead_seconds: float,
    ) -> None:
        self._plans, self._read_outcomes, self._clock = plans, read_outcomes, clock
        self._judge_seconds, self._lead_seconds = judge_seconds, lead_seconds

    def maintain(self, model: str, champion: KnownChampion) -> None:
        """Take the next action of an experiment, if it is the newest plan of a model.

        Whatever cannot be reached now is tried at the next call.
        """
        try:
            experiment = next(iter(self._plans.load(model)), None)
            if not isinstance(experiment, Experiment):
                return
            if self._is_superseded(experiment, champion):
                self._change(
                    experiment, lambda newest: stop_superseded(newest, champion.version, self._clock())
                )
            elif self._is_due(experiment):
                self._judge(experiment)
        except ServicioError as error:
            logger.warning("the experiment of %s waits: %s", model, error)

    def _is_superseded(self, experiment: Experiment, champion: KnownChampion) -> bool:
        # a champion that was looked up before the start is no evidence
        is_known = champion.checked_at > experiment.events[-1].at + self._lead_seconds
        return not experiment.has_ended and is_known and champion.version != experiment.champion

    def _is_due(self, experiment: Experiment) -> bool:
        now = self._clock()
        if now < experiment.since or not needs_evaluation(experiment, now):
            return False
        pause = max(self._judge_seconds, (now - experiment.since) * JUDGE_SHARE)
        is_over = not experiment.has_ended and now >= experiment.deadline
        # a time in the future is of a replica whose clock was ahead
        return is_over or not 0 <= now - experiment.judged_at < pause

    def _judge(self, experiment: Experiment) -> None:
        started, judged_at = self._clock(), experiment.judged_at

        def claim(newest: Experiment) -> Experiment:
            return replace(newest, judged_at=started) if newest.judged_at == judged_at else newest

        # claimed first: the outcomes are read by one process, which may take seconds
        if self._change(experiment, claim).judged_at != started:
            return
        outcomes = self._read_outcomes(experiment, started)
        self._change(
            experiment, lambda newest: judge_experiment(newest, outcomes, self._clock(), self._lead_seconds)
        )

    def _change(self, seen: Experiment, transition: Callable[[Experiment], Experiment]) -> Experiment:
        """Change an experiment that is in the state in which it was seen; else leave it as it is."""

        def change(newest: Experiment) -> Experiment:
            # another evaluation meanwhile changes nothing else
            if replace(newest, judged_at=seen.judged_at, findings=seen.findings) != seen:
                return newest
            changed = transition(newest)
            if len(changed.events) > len(newest.events):
                last = changed.events[-1]
                logger.info("experiment of %s: %s: %s", seen.model, last.state, last.reason)
            return changed

        return change_experiment(self._plans, seen.model, change)
