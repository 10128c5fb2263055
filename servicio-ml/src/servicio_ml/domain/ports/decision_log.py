"""Port of the decision log: retrainings, drift that people accept, and the right to move a champion."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from servicio_ml.domain.drift import Acknowledgement
from servicio_ml.domain.retraining import DecisionEntry, RetrainingHistory


class DecisionLog(Protocol):
    """Decisions on retraining and on drift, shared by all processes and replicas.

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

    def hold_champion(self, model: str) -> AbstractContextManager[None]:
        """Hold the right to move a model's champion, which one process of all replicas has at a time.

        A store that cannot be reached is no reason to refuse a rollback: the right is taken with a warning.

        Raises:
            PromotionError: Another process holds it for longer than some seconds.
        """
        ...

    def add_acknowledgement(self, entry: Acknowledgement) -> None:
        """Add an acknowledgement, or the end of one; the newest of a feature counts."""
        ...

    def load_acknowledgements(self, model: str) -> Sequence[Acknowledgement]:
        """Return all acknowledgements of a model and their ends, the newest first."""
        ...
