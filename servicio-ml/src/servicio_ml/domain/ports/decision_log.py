"""Port of the decision log on retraining."""

from collections.abc import Callable
from typing import Protocol

from servicio_ml.domain.retraining import DecisionEntry, RetrainingHistory


class DecisionLog(Protocol):
    """Decisions on retraining, shared by all processes and replicas.

    Every method raises `LogError` when the store refuses and may be called from several threads::

        entry = log.record("rain_australia", since, lambda history: decide(alerts, history))
    """

    def record(
        self, model: str, since: float, decide: Callable[[RetrainingHistory], DecisionEntry]
    ) -> DecisionEntry:
        """Add the entry that `decide` builds from the history, while nobody else records for the model.

        Nothing is added when `decide` raises, or returns the newest entry of the history. `decide` runs
        inside a transaction and may run again, so it must have no side effect.
        """
        ...

    def load_history(self, model: str, since: float) -> RetrainingHistory:
        """Return the entries of a model since a time and its newest entry, the newest first."""
        ...
