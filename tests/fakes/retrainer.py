"""A retrainer in memory."""

from servicio_ml.errors import RetrainingError


class MemoryRetrainer:
    """Records what it starts; refuses while `failure` gives a reason."""

    def __init__(self) -> None:
        self.started: dict[str, str] = {}
        self.failure = ""

    def start(self, model: str, key: str, reason: str) -> str:
        if self.failure:
            raise RetrainingError(model, self.failure)
        self.started.setdefault(f"{model}/{key}", reason)
        return f"memory:{model}/{key}"
