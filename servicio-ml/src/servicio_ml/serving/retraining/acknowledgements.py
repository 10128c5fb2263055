"""Acknowledged drift as the server uses it: its record, its routes' actions and its metrics."""

import logging
from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicio_ml.domain.drift import Acknowledgement, select_held
from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.decision_log import DecisionLog
from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.errors import ServicioError
from servicio_ml.lifecycle.acknowledgements import (
    AcknowledgementRequest,
    build_acknowledgement,
    build_end,
    measure_windows,
)
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.models.models import LoadedModels

logger = logging.getLogger(__name__)
LABELS = ("model", "feature")


class Acknowledgements(Collector):
    """Acknowledged drift of the served models; the metrics show the last state read from the log.

    Args:
        log: Decision log, shared by all processes.
        predictions: Prediction log.
        models: Models that this server serves.
        clock: Source of the current time.
    """

    def __init__(
        self, log: DecisionLog, predictions: PredictionLog, models: LoadedModels, clock: Clock
    ) -> None:
        self._log, self._predictions, self._models, self._clock = log, predictions, models, clock
        self._histories: dict[str, Sequence[Acknowledgement]] = {}

    def acknowledge(self, asked: AcknowledgementRequest, champion: LoadedModel) -> Acknowledgement:
        """Record that people accept a drift, with its size in the windows of the alerts.

        Raises:
            RequestError: The feature, the day or the reason is wrong, or the feature has not drifted.
            LogError: A log cannot be reached.
        """
        now, reference = self._clock(), champion.artifact.reference
        windows = measure_windows(reference, self._predictions, asked.model, champion.version, now)
        return self._add(build_acknowledgement(asked, reference, windows, now))

    def end(self, model: str, feature: str, by: str) -> Acknowledgement:
        """Record the end of the acknowledgement that holds for a feature.

        Raises:
            RequestError: None holds.
            LogError: The log cannot be reached.
        """
        return self._add(build_end(model, feature, by, self.load_history(model), self._clock()))

    def load_history(self, model: str) -> Sequence[Acknowledgement]:
        """Load all acknowledgements of a model and their ends, the newest first.

        Raises:
            LogError: The log cannot be reached.
        """
        return self._log.load_acknowledgements(model)

    def select_held(self, history: Sequence[Acknowledgement]) -> list[Acknowledgement]:
        """Select the acknowledgements that hold now."""
        return select_held(history, self._clock())

    def refresh(self) -> None:
        """Read what other processes have recorded; without the log, the metrics keep their last state."""
        for model in list(self._models.statuses):
            try:
                self._histories[model] = self.load_history(model)
            # the log is one for all models: the others would fail in the same manner
            except ServicioError as error:
                logger.warning("cannot read the acknowledgements of drift: %s", error)
                return

    def collect(self) -> Iterator[Metric]:
        psi = GaugeMetricFamily(
            "servicio_ml_acknowledged_psi", "Index of a drift when it was acknowledged.", labels=LABELS
        )
        missing = GaugeMetricFamily(
            "servicio_ml_acknowledged_missing_ratio",
            "Excess of missing values when it was acknowledged.",
            labels=LABELS,
        )
        for model, history in sorted(self._histories.items()):
            for each in self.select_held(history):
                psi.add_metric([model, each.feature], each.psi)
                missing.add_metric([model, each.feature], each.missing_excess)
        yield from (psi, missing)

    def _add(self, entry: Acknowledgement) -> Acknowledgement:
        self._log.add_acknowledgement(entry)
        self._histories[entry.model] = self.load_history(entry.model)
        return entry
