"""Scoring in shadow: a share of the live rows is also scored by a version that does not answer them."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from servicio_ml.domain.prediction import Purpose, derive_shadow_key
from servicio_ml.errors import ModelWorkerError, ServicioError
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.models.sampling import select_rows
from servicio_ml.serving.prediction.recorder import RecordedBatch, Recorder, RowIndices
from servicio_ml.serving.rollout.arm_counter import ArmCounter, ScoredPair, ScoredSide

logger = logging.getLogger(__name__)
MAX_PENDING_BATCHES = 64
"""Maximum number of waiting batches; further ones are dropped and counted."""


class ShadowScorer:
    """Scores in its own thread, and never delays a response.

    Args:
        models: Loaded models, with the share of the rows.
        recorder: Logs and counts what is scored.
        metrics: Metrics of this process.
        arm_counter: Counts what a rollout compares.
    """

    def __init__(
        self, models: LoadedModels, recorder: Recorder, metrics: Metrics, arm_counter: ArmCounter
    ) -> None:
        self._models, self._recorder, self._metrics = models, recorder, metrics
        self._arm_counter = arm_counter
        self._executor = ThreadPoolExecutor(1, "servicio-ml-shadow")
        self._capacity = threading.BoundedSemaphore(MAX_PENDING_BATCHES)

    def submit(self, batch: RecordedBatch) -> None:
        """Score a share of a batch by the version that has not answered it."""
        live = batch.scored_batch.loaded_model
        other, share = self._find_other(live)
        if other is None:
            return
        row_indices = np.flatnonzero(select_rows(batch.scored_batch.key, len(batch.matrix), share))
        if not len(row_indices):
            return
        # never blocks: the caller is the event loop
        if not self._capacity.acquire(blocking=False):
            self._metrics.shadow_dropped.labels(live.model).inc(len(row_indices))
            return
        # a version whose process hangs must not delay those of other models
        executor = other.queue or self._executor
        try:
            executor.submit(self._score, batch, other, row_indices.astype(np.uint32))
        except ModelWorkerError:
            self._capacity.release()
            self._metrics.shadow_dropped.labels(live.model).inc(len(row_indices))

    def _find_other(self, live: LoadedModel) -> tuple[LoadedModel | None, float]:
        """Find the version that scores the rows of another in shadow, and its share of the rows."""
        try:
            champion, others, shares = self._models.get_serving_versions(live.model)
        except ServicioError:
            return None, 0.0
        if not others or not shares.shadow:
            return None, 0.0
        if live is champion:
            return others[0], shares.shadow
        # a version that a client has named, or that was replaced meanwhile, is compared with none
        return (champion, shares.shadow) if live is others[0] else (None, 0.0)

    def _score(self, batch: RecordedBatch, other: LoadedModel, row_indices: RowIndices) -> None:
        try:
            pair = self._score_pair(batch, other, row_indices)
            if pair is not None:
                self._record(batch, pair, row_indices)
        except Exception:  # the results of the live version were returned already
            logger.exception("rows of %s version %d in shadow are lost", other.model, other.version)
            self._metrics.shadow_dropped.labels(other.model).inc(len(row_indices))
        finally:
            self._capacity.release()

    def _score_pair(
        self, batch: RecordedBatch, other: LoadedModel, row_indices: RowIndices
    ) -> ScoredPair | None:
        """Score rows by the other version, too; None where it fails."""
        live, live_matrix = batch.scored_batch.loaded_model, batch.matrix[row_indices]
        try:
            matrix = _convert_matrix(other, live, live_matrix)
            scored_batch = other.score(derive_shadow_key(batch.scored_batch.key), matrix)
        except Exception:
            logger.exception("%s version %d failed in shadow", other.model, other.version)
            self._metrics.shadow_dropped.labels(other.model).inc(len(row_indices))
            self._arm_counter.add_rows(other, len(row_indices), failed=len(row_indices))
            return None
        self._arm_counter.add_rows(other, len(row_indices))
        predictions = batch.scored_batch.predictions.select(row_indices.astype(np.intp))
        return ScoredPair(
            live=ScoredSide(loaded_model=live, matrix=live_matrix, predictions=predictions),
            other=scored_batch,
        )

    def _record(self, batch: RecordedBatch, pair: ScoredPair, row_indices: RowIndices) -> None:
        shadow_batch = RecordedBatch(
            scored_batch=pair.other,
            matrix=pair.other.matrix,
            protocol=batch.protocol,
            purpose=Purpose.SHADOW,
            row_indices=row_indices,
        )
        self._recorder.log([shadow_batch])
        self._recorder.count(shadow_batch)
        self._arm_counter.add_pair(pair)

    def close(self) -> None:
        """Finish the waiting batches."""
        self._executor.shutdown()


def _convert_matrix(other: LoadedModel, live: LoadedModel, matrix: Matrix) -> Matrix:
    """Convert rows to the encoding of the version in shadow, whose schema may differ."""
    live_encoder, encoder = live.artifact.encoder, other.artifact.encoder
    # equal schemas encode alike
    if live_encoder.schema == encoder.schema:
        return matrix
    from servicio_ml.features.decoder import decode_records  # noqa: PLC0415  loads Arrow, heavy

    return encoder.encode_records(decode_records(live_encoder.schema, matrix))
