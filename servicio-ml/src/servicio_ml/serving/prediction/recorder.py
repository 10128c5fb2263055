"""The recorder of scored rows: it logs them, then counts them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.fields.identifier import Identifiers, normalize_identifiers
from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.journal import Journal
from servicio_ml.domain.prediction import Chunk, Interface, Purpose
from servicio_ml.errors import JournalError
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models.loaded_model import ScoredBatch
from servicio_ml.serving.models.sampling import select_rows

SHADOW_PROTOCOL, VALUE_OUTCOME = "shadow", "value"
"""Label values of the metrics: protocol of shadow rows, outcome of a regression."""
RowIndices = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPolicy:
    """Policy of the prediction log.

    Attributes:
        sampling: Share of the rows that is logged, 0 to 1, by prediction id.
        drop: Whether rows are answered that could not be logged.
    """

    sampling: float = 1.0
    drop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordedBatch:
    """Rows that were scored together and are recorded together.

    Attributes:
        scored_batch: Predictions of the rows.
        matrix: Rows `[n, features]`.
        protocol: Interface of the requests.
        purpose: Purpose of the predictions.
        row_indices: Index of each row in its chunk, `[n]`.
        identifiers: Identifiers of the rows.
    """

    scored_batch: ScoredBatch
    matrix: Matrix
    protocol: Interface
    purpose: Purpose
    row_indices: RowIndices
    identifiers: Identifiers = ()

    def select_row(self, index: int, key: bytes) -> "RecordedBatch":
        """Return one row as a batch of its own, under its own key."""
        scored = self.scored_batch
        matrix = self.matrix[index : index + 1]
        predictions = scored.predictions.select(slice(index, index + 1))
        return RecordedBatch(
            scored_batch=ScoredBatch(scored.loaded_model, key, predictions, matrix),
            matrix=matrix,
            protocol=self.protocol,
            purpose=self.purpose,
            row_indices=self.row_indices[:1],
            identifiers=normalize_identifiers([*self.identifiers[index : index + 1]]),
        )


class Recorder:
    """Logs and counts batches.

    Args:
        journal: Journal of the prediction log.
        metrics: Metrics of this process.
        clock: Returns the time in seconds since 1970.
        policy: Policy of the prediction log.
    """

    def __init__(self, journal: Journal, metrics: Metrics, clock: Clock, policy: LogPolicy) -> None:
        self._journal, self._metrics, self._clock, self._policy = journal, metrics, clock, policy
        # looking a child up costs more than counting
        self._count_outcome = cache(lambda *labels: metrics.predictions.labels(*labels).inc)

    def log(self, batches: Sequence[RecordedBatch]) -> None:
        """Write batches in one commit.

        Raises:
            JournalError: They could not be logged, and the policy is to refuse.
        """
        # one commit for all batches of the turn: a commit costs as much as many predictions
        chunks = [chunk for chunk in map(self._build_chunk, batches) if chunk.rows]
        try:
            self._journal.write(chunks)
        except JournalError:
            # refusing is the default: an unlogged prediction could never be joined with its ground truth
            if not self._policy.drop:
                raise
            for chunk in chunks:
                self._metrics.log_dropped.labels(chunk.model).inc(chunk.rows)

    def _build_chunk(self, batch: RecordedBatch) -> Chunk:
        scored_batch, matrix, row_indices = batch.scored_batch, batch.matrix, batch.row_indices
        predictions, identifiers = scored_batch.predictions, batch.identifiers
        # shadow rows are a sample already
        if self._policy.sampling < 1 and batch.purpose is not Purpose.SHADOW:
            mask = select_rows(scored_batch.key, len(matrix), self._policy.sampling)
            matrix, row_indices, predictions = matrix[mask], row_indices[mask], predictions.select(mask)
            identifiers = normalize_identifiers([*compress(identifiers, mask)])
        loaded_model, probabilities = scored_batch.loaded_model, predictions.probabilities
        return Chunk(
            key=scored_batch.key,
            at=self._clock(),
            model=loaded_model.model,
            version=loaded_model.version,
            protocol=batch.protocol,
            purpose=batch.purpose,
            rows=len(row_indices),
            places=row_indices.tobytes(),
            # derived columns are not logged: the encoder computes them again from the fields
            features=matrix[:, : loaded_model.value_width].tobytes(),
            outcomes=predictions.outcomes.tobytes(),
            probabilities=b"" if probabilities is None else probabilities.tobytes(),
            identifiers=identifiers,
        )

    def count(self, batch: RecordedBatch) -> None:
        """Count the rows of a batch by outcome and, buffered, by bin."""
        loaded_model, predictions = batch.scored_batch.loaded_model, batch.scored_batch.predictions
        loaded_model.bin_counts.add(batch.matrix, predictions)
        protocol = SHADOW_PROTOCOL if batch.purpose is Purpose.SHADOW else batch.protocol.value
        labels = (loaded_model.model, loaded_model.version, protocol)
        if not loaded_model.labels:
            self._count_outcome(*labels, VALUE_OUTCOME)(len(batch.matrix))
            return
        for code, number in Counter(predictions.outcomes.tolist()).items():
            self._count_outcome(*labels, loaded_model.labels[int(code)])(number)
