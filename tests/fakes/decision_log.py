"""A decision log in memory."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from servicio_ml.adapters.decision_log.rows import HOLD_SECONDS, build_held_error
from servicio_ml.domain.drift import Acknowledgement
from servicio_ml.domain.retraining import DecisionEntry, RetrainingHistory


class MemoryDecisionLog:
    """Decisions that live as long as the object."""

    def __init__(self) -> None:
        self._entries = defaultdict[str, list[DecisionEntry]](list)
        self._acknowledgements = defaultdict[str, list[Acknowledgement]](list)
        self._lock, self._champion_locks = threading.Lock(), defaultdict[str, threading.Lock](threading.Lock)

    def record(
        self, model: str, since: float, decide: Callable[[RetrainingHistory], DecisionEntry]
    ) -> DecisionEntry:
        with self._lock:
            history = self.load_history(model, since)
            entry = decide(history)
            if entry not in history[:1]:
                self._entries[model].insert(0, entry)
        return entry

    def load_history(self, model: str, since: float) -> RetrainingHistory:
        entries = list(self._entries[model])
        return entries[:1] + [entry for entry in entries[1:] if entry.decided_at >= since]

    @contextmanager
    def hold_champion(self, model: str) -> Iterator[None]:
        lock = self._champion_locks[model]
        if not lock.acquire(timeout=HOLD_SECONDS):
            raise build_held_error(model)
        try:
            yield
        finally:
            lock.release()

    def add_acknowledgement(self, entry: Acknowledgement) -> None:
        self._acknowledgements[entry.model].insert(0, entry)

    def load_acknowledgements(self, model: str) -> Sequence[Acknowledgement]:
        return list(self._acknowledgements[model])
