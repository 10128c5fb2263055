"""Metric `servicio_ml_pipeline_success_timestamp_seconds` of the served models' pipeline steps."""

import logging
import threading
from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.errors import ServicioError
from servicio_ml.lifecycle.step_times import ReadStepTimes
from servicio_ml.serving.models.models import LoadedModels

logger = logging.getLogger(__name__)
REFRESH_SECONDS = 60.0
"""Time between two looks at the lake and MLflow; the steps run once a day at most."""


class StepTimesCollector(Collector):
    """Time of the last success of each pipeline step, by use case.

    The same metric comes from StatsD, where an exporter runs. Rules take the maximum of both, which is the
    later success; after a restart of the exporter only this one is left.

    They are read in the background: a scrape must not wait for a lake that does not answer.

    Args:
        models: Models that are served.
        read_times: Reads the times of a use case.
        clock: Returns the present time.
    """

    def __init__(self, models: LoadedModels, read_times: ReadStepTimes, clock: Clock) -> None:
        self._models, self._read_times, self._clock = models, read_times, clock
        self._known: dict[str, Mapping[str, float]] = {}
        self._read_at = float("-inf")
        self._thread: threading.Thread | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        self._start_refresh()
        family = GaugeMetricFamily(
            "servicio_ml_pipeline_success_timestamp_seconds",
            "When a pipeline step last ended well, in seconds since 1970.",
            labels=["step", "use_case"],
        )
        for use_case, times in sorted(dict(self._known).items()):
            for step, at in times.items():
                family.add_metric([step, use_case], at)
        yield family

    def _start_refresh(self) -> None:
        is_running = self._thread is not None and self._thread.is_alive()
        if is_running or self._clock() - self._read_at < REFRESH_SECONDS:
            return
        self._read_at = self._clock()
        self._thread = threading.Thread(target=self._refresh, daemon=True)
        self._thread.start()

    def _refresh(self) -> None:
        for use_case in sorted(self._models.statuses):
            try:
                self._known[use_case] = self._read_times(use_case)
            except ServicioError as error:
                # no exception: it would drop all other metrics of the scrape; what was known stays true
                logger.warning("cannot read when the steps of %s last ended well: %s", use_case, error)
