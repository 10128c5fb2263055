"""The challenger in shadow: it scores a share of the live rows after their response."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from servicio_ml.domain.prediction import Purpose, derive_shadow_key
from servicio_ml.errors import ModelWorkerError
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.models.sampling import select_rows
from servicio_ml.serving.prediction.recorder import RecordedBatch, Recorder, RowIndices

logger = logging.getLogger(__name__)
MAX_PENDING_BATCHES = 64
"""Maximum number of waiting batches; further ones are dropped and counted."""


class ShadowScorer:
    """Scores in its own thread, and never delays a response."""

    def __init__(self, models: LoadedModels, recorder: Recorder, metrics: Metrics) -> None:
        self._models, self._recorder, self._metrics = models, recorder, metrics
        self._executor = ThreadPoolExecutor(1, "servicio-ml-shadow")
        self._capacity = threading.BoundedSemaphore(MAX_PENDING_BATCHES)

    def submit(self, batch: RecordedBatch) -> None:
        """Score the challenger's share of a batch that the champion has answered."""
        live = batch.scored_batch.loaded_model
        status = self._models.statuses.get(live.model)
        # a champion that was replaced meanwhile would compare other versions
        if status is None or status.challenger is None or status.champion is not live:
            return
        row_indices = np.flatnonzero(
            select_rows(batch.scored_batch.key, len(batch.matrix), status.traffic.shadow)
        )
        if not len(row_indices):
            return
        # never blocks: the caller is the event loop
        if not self._capacity.acquire(blocking=False):
            self._metrics.shadow_dropped.labels(live.model).inc(len(row_indices))
            return
        # a challenger whose process hangs must not delay those of other models
        executor = status.challenger.queue or self._executor
        try:
            executor.submit(self._score, batch, status.challenger, row_indices.astype(np.uint32))
        except ModelWorkerError:
            self._capacity.release()
            self._metrics.shadow_dropped.labels(live.model).inc(len(row_indices))

    def _score(self, batch: RecordedBatch, challenger: LoadedModel, row_indices: RowIndices) -> None:
        live = batch.scored_batch.loaded_model
        try:
            matrix = _convert_matrix(challenger, live, batch.matrix[row_indices])
            scored_batch = challenger.score(derive_shadow_key(batch.scored_batch.key), matrix)
            shadow_batch = RecordedBatch(
                scored_batch=scored_batch,
                matrix=matrix,
                protocol=batch.protocol,
                purpose=Purpose.SHADOW,
                row_indices=row_indices,
            )
            self._recorder.log([shadow_batch])
            self._recorder.count(shadow_batch)
        except Exception:  # the champion's results were returned already
            logger.exception("%s version %d failed in shadow", challenger.model, challenger.version)
            self._metrics.shadow_dropped.labels(live.model).inc(len(row_indices))
        finally:
            self._capacity.release()

    def close(self) -> None:
        """Finish the waiting batches."""
        self._executor.shutdown()


def _convert_matrix(challenger: LoadedModel, live: LoadedModel, matrix: Matrix) -> Matrix:
    """Convert rows to the challenger's encoding, whose schema may differ."""
    champion_encoder, encoder = live.artifact.encoder, challenger.artifact.encoder
    # equal schemas encode alike
    if champion_encoder.schema == encoder.schema:
        return matrix
    from servicio_ml.features.decoder import decode_records  # noqa: PLC0415  loads Arrow, heavy

    return encoder.encode_records(decode_records(champion_encoder.schema, matrix))
