"""A retrainer in memory."""

from servicio_ml.domain.ports.retrainer import RetrainingEnd
from servicio_ml.errors import RetrainingError


class MemoryRetrainer:
    """Records what it starts; refuses while `failure` gives a reason.

    Attributes:
        started: Reasons by model and key.
        ends: Ends of runs by their references; the others are running.
        failure: Why it refuses; empty while it does not.
    """

    def __init__(self) -> None:
        self.started: dict[str, str] = {}
        self.ends: dict[str, RetrainingEnd] = {}
        self.failure = ""

    def start(self, model: str, key: str, reason: str) -> str:
        if self.failure:
            raise RetrainingError(model, self.failure)
        self.started.setdefault(f"{model}/{key}", reason)
        return f"memory:{model}/{key}"

    def find_end(self, model: str, reference: str) -> RetrainingEnd | None:
        if self.failure:
            raise RetrainingError(model, self.failure)
        return self.ends.get(reference)
