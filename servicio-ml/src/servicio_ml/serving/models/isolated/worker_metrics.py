"""The metrics of the process of an isolated model."""

from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.errors import WorkerFailure
from servicio_ml.serving.metrics import Metrics


class WorkerMetrics:
    """Listener that counts the events of one version's process.

    Args:
        metrics: Metrics of this process.
        info: The version.
    """

    def __init__(self, metrics: Metrics, info: ModelVersion) -> None:
        self._labels = (info.model, str(info.version))
        self._metrics = metrics

    def record_failure(self, failure: WorkerFailure) -> None:
        self._metrics.worker_failures.labels(*self._labels, failure.value).inc()

    def record_start(self, *, again: bool) -> None:
        self._metrics.worker_restarts.labels(*self._labels).inc(int(again))
        self._metrics.worker_up.labels(*self._labels).set(1)

    def record_end(self) -> None:
        self._metrics.worker_up.labels(*self._labels).set(0)
