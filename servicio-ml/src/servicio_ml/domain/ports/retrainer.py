"""Port of the scheduler or command that runs retrainings."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingEnd:
    """End of a run; `error` says why it failed, and is empty when it succeeded."""

    error: str


class Retrainer(Protocol):
    """Starter of retrainings.

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

    def find_end(self, model: str, reference: str) -> RetrainingEnd | None:
        """Find out how a run has ended; None while it is running.

        Args:
            model: Name of the model.
            reference: What `start` returned.

        Raises:
            RetrainingError: The scheduler does not answer.
        """
        ...
