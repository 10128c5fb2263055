"""Metric `servicio_ml_stream_lag`."""

import logging
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from servicio_ml.domain.ports.broker import Broker
from servicio_ml.errors import BrokerError
from servicio_ml.serving.models.models import LoadedModels

logger = logging.getLogger(__name__)


class StreamLagCollector(Collector):
    """Number of requests in the stream without a result, by model.

    Args:
        broker: Broker, queried at each scrape; while it is down there are no samples.
        models: Models that are served.
    """

    def __init__(self, broker: Broker, models: LoadedModels) -> None:
        self._broker, self._models = broker, models

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "servicio_ml_stream_lag", "Requests in the stream without a result.", labels=["model"]
        )
        try:
            for loaded_model in self._models.list_champions():
                family.add_metric([loaded_model.model], self._broker.count_backlog(loaded_model.model))
        except BrokerError as error:
            # no exception: it would drop all other metrics of the scrape
            logger.warning("cannot read the lag of the streams: %s", error)
        yield family
