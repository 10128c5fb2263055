"""What every interface is given."""

from dataclasses import dataclass

from servicio_ml.domain.ports import PredictionLog
from servicio_ml.serving.keys import Keys
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models import Models
from servicio_ml.serving.predictor import Predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may ask for.

    Attributes:
        body_bytes: Greatest body.
        rows: Most rows.
        concurrency: Most requests in hand in one process.
    """

    body_bytes: int
    rows: int
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One process's service.

    Attributes:
        models: Those that are served.
        predictor: Answers rows.
        log: Every prediction and its ground truth.
        metrics: Of this process.
        keys: Who may ask.
        limits: Of one request.
        default_model: Whose predictions `/predict` gives.
    """

    models: Models
    predictor: Predictor
    log: PredictionLog
    metrics: Metrics
    keys: Keys
    limits: Limits
    default_model: str
