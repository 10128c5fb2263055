"""The decision log and the retrainer in memory, for tests."""

import threading
from collections import defaultdict
from collections.abc import Callable

from servicio_ml.domain.retraining import Entry, History
from servicio_ml.errors import RetrainingError


class MemoryDecisions:
    """Lives as long as the object."""

    def __init__(self) -> None:
        self._entries = defaultdict[str, list[Entry]](list)
        self._lock = threading.Lock()

    def settle(self, model: str, since: float, decide: Callable[[History], Entry]) -> Entry:
        with self._lock:
            history = self.history(model, since)
            entry = decide(history)
            if entry not in history[:1]:
                self._entries[model].insert(0, entry)
        return entry

    def history(self, model: str, since: float) -> History:
        entries = list(self._entries[model])
        return entries[:1] + [entry for entry in entries[1:] if entry.at >= since]


class MemoryRetrainer:
    """Notes what it is asked to start; refuses while `problem` says why."""

    def __init__(self) -> None:
        self.started: dict[str, str] = {}
        self.problem = ""

    def start(self, model: str, key: str, reason: str) -> str:
        if self.problem:
            raise RetrainingError(model, self.problem)
        self.started.setdefault(f"{model}/{key}", reason)
        return f"memory:{model}/{key}"
