"""Decisions on retraining as the server uses them: quarantines, budgets and their metrics."""

import logging
from collections.abc import Callable, Iterator

from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.decision_log import DecisionLog
from servicio_ml.domain.retraining import (
    DecisionEntry,
    RetrainingDecision,
    RetrainingHistory,
    find_last_rejection,
    get_pending_start,
    get_running,
)
from servicio_ml.errors import NoSuchModelError, ServicioError
from servicio_ml.lifecycle.retraining_policy import RetrainingPolicy, lift_quarantine
from servicio_ml.serving.models.models import LoadedModels

logger = logging.getLogger(__name__)
UNKNOWN_MODEL = "unknown"
"""Label `model` of decisions on a model that this server does not serve."""


class RetrainingDecisions(Collector):
    """Decision log and retraining policy of this server; its metrics show the last state read from the log.

    Args:
        log: Decision log, shared by all processes.
        policy: Cooldown and budget.
        models: LoadedModels that this server serves.
        decision_counter: Counter with the labels model and decision.
        clock: Source of the current time.
    """

    def __init__(
        self,
        log: DecisionLog,
        policy: RetrainingPolicy,
        models: LoadedModels,
        decision_counter: Counter,
        clock: Clock,
    ) -> None:
        self._log, self._models, self._decision_counter, self._clock = log, models, decision_counter, clock
        self.policy = policy
        self._states: dict[str, tuple[bool, int]] = {}
        self._rejected_at: dict[str, float] = {}
        self._running: dict[str, DecisionEntry] = {}

    def is_served(self, model: str) -> bool:
        """Check whether the server serves a model.

        Raises:
            NotReadyError: The registry has not been read yet.
        """
        try:
            self._models.get_status(model)
        except NoSuchModelError:
            return False
        return True

    def record(
        self, model: str, decide: Callable[[RetrainingHistory, float], DecisionEntry]
    ) -> DecisionEntry:
        """Decide on a model while no other process does, and count the decision.

        A repeat of the newest entry is counted, but not added to the log.

        Args:
            model: Name of the model.
            decide: Receives the history and the current time; must have no side effect, because it runs
                inside the log's transaction and may run again.

        Raises:
            LogError: The log cannot be reached.
        """

        def decide_once(history: RetrainingHistory) -> DecisionEntry:
            entry = decide(history, self._clock())
            return history[0] if history and entry.is_repeat_of(history[0]) else entry

        entry = self._log.record(model, self._compute_history_start(), decide_once)
        self._count(entry)
        return entry

    def record_outcome(
        self, intent: DecisionEntry, build: Callable[[RetrainingHistory], DecisionEntry | None]
    ) -> DecisionEntry:
        """Record the outcome of a start, unless another process has recorded it.

        Args:
            intent: Entry that announced the start.
            build: Builds the outcome from the history; None when the start is no longer pending.

        Returns:
            The recorded outcome, whoever recorded it.

        Raises:
            LogError: The log cannot be reached.
        """
        # the log may call decide again after a lost connection, so each call sets both
        added: DecisionEntry | None = None
        outcome = intent

        def decide(history: RetrainingHistory) -> DecisionEntry:
            nonlocal added, outcome
            added = build(history)
            if added is not None:
                outcome = added
                return added
            outcome = next((entry for entry in history if entry.is_outcome_of(intent)), intent)
            # the newest entry, returned again, adds nothing
            return next(iter(history), intent)

        self._log.record(intent.model, self._compute_history_start(), decide)
        if added is not None:
            self._count(added)
        return outcome

    def record_end(
        self, running: DecisionEntry, build: Callable[[RetrainingHistory, float], DecisionEntry | None]
    ) -> None:
        """Record the end of a retraining, unless another process has recorded it.

        Args:
            running: Entry of its start.
            build: Builds the end from the history and the current time; None when it is recorded already.

        Raises:
            LogError: The log cannot be reached.
        """
        self.record_outcome(running, lambda history: build(history, self._clock()))

    def list_running(self) -> list[DecisionEntry]:
        """List the starts of the retrainings that had not ended when the log was last read."""
        return list(self._running.values())

    def get_pending_start(self, model: str) -> DecisionEntry | None:
        """Return the intent of a start whose outcome is not recorded.

        Raises:
            LogError: The log cannot be reached.
        """
        return get_pending_start(self.load_history(model))

    def lift_quarantine(self, model: str, by: str) -> DecisionEntry:
        """End the quarantine of a model.

        Raises:
            LogError: The log cannot be reached.
        """
        return self.record(model, lambda history, now: lift_quarantine(model, history, by, now))

    def load_history(self, model: str) -> RetrainingHistory:
        """Load the decisions on a model, the newest first.

        Raises:
            LogError: The log cannot be reached.
        """
        return self._log.load_history(model, self._compute_history_start())

    def compute_remaining_budget(self, history: RetrainingHistory) -> int:
        """Return the number of retrainings that the budget still allows."""
        return self.policy.compute_remaining_budget(history, self._clock())

    def refresh(self) -> None:
        """Read the decisions of other processes; without the log, the metrics keep their last state."""
        for model in list(self._models.statuses):
            try:
                self._refresh_model(model)
            # the log is one for all models: the others would fail in the same manner
            except ServicioError as error:
                logger.warning("cannot read the decisions on retraining: %s", error)
                return

    def collect(self) -> Iterator[Metric]:
        quarantined = GaugeMetricFamily(
            "servicio_ml_quarantined", "Whether alerts may not retrain the model.", labels=["model"]
        )
        budget = GaugeMetricFamily(
            "servicio_ml_retraining_budget_remaining",
            "Retrainings that alerts may still start; absent where the budget is 0.",
            labels=["model"],
        )
        rejected = GaugeMetricFamily(
            "servicio_ml_retraining_rejected_timestamp_seconds",
            "When a retraining ended whose challenger was rejected.",
            labels=["model"],
        )
        for model, at in sorted(self._rejected_at.items()):
            rejected.add_metric([model], at)
        for model, (is_quarantined, remaining) in sorted(self._states.items()):
            quarantined.add_metric([model], float(is_quarantined))
            # a budget of 0 is a choice: an alert on a spent budget would fire for ever
            if self.policy.monthly_budget:
                budget.add_metric([model], remaining)
        yield from (quarantined, budget, rejected)

    def _count(self, entry: DecisionEntry) -> None:
        is_served = self.is_served(entry.model)
        # an intent is not counted: its outcome is
        if entry.decision is not RetrainingDecision.STARTING:
            label = entry.model if is_served else UNKNOWN_MODEL
            self._decision_counter.labels(label, entry.decision.value).inc()
        if is_served:
            self._refresh_model(entry.model)

    def _refresh_model(self, model: str) -> None:
        history = self.load_history(model)
        is_quarantined = bool(history) and history[0].is_quarantined
        self._states[model] = is_quarantined, self.compute_remaining_budget(history)
        self._running.pop(model, None)
        if (running := get_running(history)) is not None:
            self._running[model] = running
        if at := find_last_rejection(history):
            self._rejected_at[model] = at

    def _compute_history_start(self) -> float:
        return self._clock() - self.policy.history_seconds
