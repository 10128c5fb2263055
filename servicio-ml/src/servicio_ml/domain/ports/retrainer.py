"""Port of the scheduler or command that runs retrainings."""

from typing import Protocol


class Retrainer(Protocol):
    """Starter of retrainings; their ends are recorded elsewhere.

    A key starts at most one run, also when calls with it overlap or the answer to an earlier call was lost::

        reference = retrainer.start("rain_australia", key, "DataDrift fires")
    """

    def start(self, model: str, key: str, reason: str) -> str:
        """Start a run and return where it can be followed; for a known key, return the same run.

        Args:
            model: Name of the model.
            key: Identifier of the run.
            reason: Explanation for people.

        Raises:
            RetrainingError: The run cannot be started, or the answer was lost and it may have been started.
        """
        ...
