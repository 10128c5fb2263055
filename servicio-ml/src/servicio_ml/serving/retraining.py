"""The decision log as the server uses it: quarantines, budgets, and their metrics."""

import logging
from collections.abc import Callable, Iterator

from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicio_ml.domain import retraining
from servicio_ml.domain.ports import Clock, DecisionLog
from servicio_ml.domain.retraining import Entry, History, Policy
from servicio_ml.errors import NoSuchModelError, ServicioError
from servicio_ml.serving.models import Models

logger = logging.getLogger(__name__)
UNKNOWN = "unknown"
"""The model label of what was decided about a model that is not served."""


class Ledger(Collector):
    """What was decided, and what holds now; the metrics tell what the last look at the log found.

    Args:
        log: Of the decisions.
        policy: Cooldown and budget.
        models: Those that are served.
        counted: Counts decisions by model and decision.
        clock: Gives the time.
    """

    def __init__(
        self, log: DecisionLog, policy: Policy, models: Models, counted: Counter, clock: Clock
    ) -> None:
        self._log, self._models, self._counted, self._clock = log, models, counted, clock
        self.policy = policy
        self._seen: dict[str, tuple[bool, int]] = {}

    def serves(self, model: str) -> bool:
        """Whether there is such a model.

        Raises:
            NotReadyError: That is not known yet.
        """
        try:
            self._models.state(model)
        except NoSuchModelError:
            return False
        return True

    def settle(self, model: str, decide: Callable[[History, float], Entry]) -> Entry:
        """Decide on a model while nobody else does, with the time as of then, and count it.

        What only repeats the newest entry is counted, but stands in the log once.

        Raises:
            LogError: The log cannot be reached.
        """

        def decided(history: History) -> Entry:
            entry = decide(history, self._clock())
            return history[0] if history and entry.repeats(history[0]) else entry

        entry = self._log.settle(model, self._since(), decided)
        served = self.serves(model)
        self._counted.labels(model if served else UNKNOWN, entry.decision.value).inc()
        if served:
            self._look(model)
        return entry

    def lift(self, model: str, by: str) -> Entry:
        """End the quarantine of a model.

        Raises:
            LogError: The log cannot be reached.
        """
        return self.settle(model, lambda history, now: retraining.lifted(model, history, by, now))

    def history(self, model: str) -> History:
        """What was decided, the newest first.

        Raises:
            LogError: The log cannot be reached.
        """
        return self._log.history(model, self._since())

    def remaining(self, history: History) -> int:
        """Retrainings that the budget still allows."""
        return self.policy.remaining(history, self._clock())

    def refresh(self) -> None:
        """Look at the log for what others decided; never raises: what was seen last goes on being told."""
        for model in list(self._models.known):
            try:
                self._look(model)
            except ServicioError as error:
                logger.warning("decisions about retrainings not seen: %s", error)
                return

    def collect(self) -> Iterator[Metric]:
        quarantined = GaugeMetricFamily(
            "servicio_ml_quarantined", "Whether alerts may not retrain it.", labels=["model"]
        )
        budget = GaugeMetricFamily(
            "servicio_ml_retraining_budget_remaining",
            "Retrainings that alerts may still start; absent where they may start none at all.",
            labels=["model"],
        )
        for model, (held, remaining) in sorted(self._seen.items()):
            quarantined.add_metric([model], float(held))
            # a budget of none is a decision: nobody is to be told day by day that it is spent
            if self.policy.monthly_budget:
                budget.add_metric([model], remaining)
        yield from (quarantined, budget)

    def _look(self, model: str) -> None:
        history = self.history(model)
        self._seen[model] = (bool(history) and history[0].quarantined, self.remaining(history))

    def _since(self) -> float:
        return self._clock() - self.policy.memory_seconds
