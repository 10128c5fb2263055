"""What happens to every scored row besides its answer: it is logged, then counted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.ports import Clock, Journal
from servicio_ml.domain.prediction import Chunk, Protocol, Purpose
from servicio_ml.errors import JournalError
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.sampling import chosen
from servicio_ml.serving.served import Scored

SHADOW, VALUE = "shadow", "value"
"""The protocol of shadow rows and the outcome of a regression, as the metrics have them."""
Places = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPolicy:
    """What is logged.

    Attributes:
        sampling: Share of the rows, by their id.
        drop: Whether a row is answered that could not be logged.
    """

    sampling: float = 1.0
    drop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Rows that were scored together.

    Attributes:
        scored: With their answers.
        matrix: `[n, features]`.
        protocol: The road they came by.
        purpose: Why they were scored.
        places: Of the rows in their chunk, `[n]`.
    """

    scored: Scored
    matrix: Matrix
    protocol: Protocol
    purpose: Purpose
    places: Places


class Recorder:
    """Logs and counts batches.

    Args:
        journal: They are written to it.
        metrics: Count them.
        clock: Gives the time.
        policy: What is logged.
    """

    def __init__(self, journal: Journal, metrics: Metrics, clock: Clock, policy: LogPolicy) -> None:
        self._journal, self._metrics, self._clock, self._policy = journal, metrics, clock, policy
        # looking a child up costs more than counting
        self._outcome = cache(lambda *labels: metrics.predictions.labels(*labels).inc)

    def log(self, batches: Sequence[Batch]) -> None:
        """Write batches in one commit.

        Raises:
            JournalError: They could not be logged, and the policy is to refuse.
        """
        chunks = [chunk for chunk in map(self._chunk, batches) if chunk.rows]
        try:
            self._journal.write(chunks)
        except JournalError:
            if not self._policy.drop:
                raise
            for chunk in chunks:
                self._metrics.log_dropped.labels(chunk.model).inc(chunk.rows)

    def _chunk(self, batch: Batch) -> Chunk:
        scored, matrix, places, predictions = (
            batch.scored,
            batch.matrix,
            batch.places,
            batch.scored.predictions,
        )
        if self._policy.sampling < 1 and batch.purpose is not Purpose.SHADOW:
            kept = chosen(scored.key, len(matrix), self._policy.sampling)
            matrix, places, predictions = matrix[kept], places[kept], predictions.part(kept)
        served, probabilities = scored.served, predictions.probabilities
        return Chunk(
            key=scored.key,
            at=self._clock(),
            model=served.model,
            version=served.version,
            protocol=batch.protocol,
            purpose=batch.purpose,
            rows=len(places),
            places=places.tobytes(),
            features=matrix[:, : served.width].tobytes(),
            outcomes=predictions.outcomes.tobytes(),
            probabilities=b"" if probabilities is None else probabilities.tobytes(),
        )

    def count(self, batch: Batch) -> None:
        """Count the rows of a batch by outcome and, by and by, by bin."""
        served, predictions = batch.scored.served, batch.scored.predictions
        served.tally.add(batch.matrix, predictions)
        road = SHADOW if batch.purpose is Purpose.SHADOW else batch.protocol.value
        if not served.labels:
            self._outcome(served.model, served.version, road, VALUE)(len(batch.matrix))
            return
        for code, number in Counter(predictions.outcomes.tolist()).items():
            self._outcome(served.model, served.version, road, served.labels[int(code)])(number)
