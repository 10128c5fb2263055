"""The service that every interface shares."""

from dataclasses import dataclass

from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.serving.http.api_keys import ApiKeys
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.prediction.predictor import Predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """Limits of a request.

    Attributes:
        body_bytes: Maximum size of a body, in bytes.
        rows: Maximum number of rows.
        concurrency: Maximum number of requests in flight in one process.
    """

    body_bytes: int
    rows: int
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Service of one process.

    Attributes:
        models: Loaded models.
        predictor: Predictor of all interfaces.
        log: Prediction log with ground truth.
        metrics: Metrics of this process.
        keys: API keys.
        limits: Limits of a request.
        default_model: Name of the model behind `/predict`.
    """

    models: LoadedModels
    predictor: Predictor
    log: PredictionLog
    metrics: Metrics
    keys: ApiKeys
    limits: RequestLimits
    default_model: str
