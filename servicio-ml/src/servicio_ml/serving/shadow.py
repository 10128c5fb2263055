"""The challenger in shadow: it scores a share of the live rows, after they were answered."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from servicio_ml.domain.prediction import Purpose, shadow_key
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models import Models
from servicio_ml.serving.recorder import Batch, Places, Recorder
from servicio_ml.serving.sampling import chosen
from servicio_ml.serving.served import Served

logger = logging.getLogger(__name__)
WAITING = 64
"""Batches that may wait; more are dropped and counted."""


class Shadow:
    """Scores in a thread of its own, and never holds up an answer."""

    def __init__(self, models: Models, recorder: Recorder, metrics: Metrics) -> None:
        self._models, self._recorder, self._metrics = models, recorder, metrics
        self._pool = ThreadPoolExecutor(1, "servicio-ml-shadow")
        self._room = threading.BoundedSemaphore(WAITING)

    def follow(self, batch: Batch) -> None:
        """Score the challenger's share of the rows that a champion has answered."""
        live = batch.scored.served
        known = self._models.known.get(live.model)
        if known is None or known.challenger is None or known.champion is not live:
            return
        places = np.flatnonzero(chosen(batch.scored.key, len(batch.matrix), known.traffic.shadow))
        if not len(places):
            return
        if not self._room.acquire(blocking=False):
            self._metrics.shadow_dropped.labels(live.model).inc(len(places))
            return
        self._pool.submit(self._score, batch, known.challenger, places.astype(np.uint32))

    def _score(self, batch: Batch, challenger: Served, places: Places) -> None:
        live = batch.scored.served
        try:
            matrix = _for(challenger, live, batch.matrix[places])
            scored = challenger.score(shadow_key(batch.scored.key), matrix)
            mine = Batch(
                scored=scored, matrix=matrix, protocol=batch.protocol, purpose=Purpose.SHADOW, places=places
            )
            self._recorder.log([mine])
            self._recorder.count(mine)
        except Exception:  # the rows' own answers were given
            logger.exception("%s version %d failed in shadow", challenger.model, challenger.version)
            self._metrics.shadow_dropped.labels(live.model).inc(len(places))
        finally:
            self._room.release()

    def close(self) -> None:
        """Finish what waits."""
        self._pool.shutdown()


def _for(challenger: Served, live: Served, matrix: Matrix) -> Matrix:
    """The rows as the challenger encodes them, whose schema may be another one."""
    theirs, mine = live.artifact.encoder, challenger.artifact.encoder
    if theirs.schema == mine.schema:
        return matrix
    return mine.records([theirs.decode(row) for row in matrix])
