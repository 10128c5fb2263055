"""Ends of retrainings that run elsewhere: found out from the retrainer, and recorded once."""

import logging

from servicio_ml.domain.ports.retrainer import Retrainer
from servicio_ml.domain.retraining import DecisionEntry, RetrainingHistory
from servicio_ml.errors import ServicioError
from servicio_ml.lifecycle.model_history_reader import ModelHistoryReader
from servicio_ml.lifecycle.retraining_starts import find_verdict, finish_retraining
from servicio_ml.serving.retraining.decisions import RetrainingDecisions

logger = logging.getLogger(__name__)


class RetrainingFollower:
    """Records how the retrainings of a server have ended, whichever process started them.

    Args:
        decisions: Decision log.
        retrainer: Knows whether a run has ended.
        history: Decisions on the challengers.
    """

    def __init__(
        self, decisions: RetrainingDecisions, retrainer: Retrainer, history: ModelHistoryReader
    ) -> None:
        self._decisions, self._retrainer, self._history = decisions, retrainer, history

    def follow(self) -> None:
        """Record the ends that are not recorded; what cannot be found out now is tried at the next call."""
        for running in self._decisions.list_running():
            try:
                self._follow_run(running)
            except ServicioError as error:
                model = running.model
                logger.warning("the end of a retraining of %s cannot be found out now: %s", model, error)

    def _follow_run(self, running: DecisionEntry) -> None:
        model, reference = running.model, running.reference
        end = self._retrainer.find_end(model, reference)
        if end is None:
            return
        made = () if end.error else self._history.list_decisions(model).decisions
        verdict = find_verdict(made, running.decided_at)

        def build_end(history: RetrainingHistory, now: float) -> DecisionEntry | None:
            return finish_retraining(model, history, reference, end, verdict, now)

        self._decisions.record_end(running, build_end)
