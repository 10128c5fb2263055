"""The metrics of the server.

| name | labels |
|---|---|
| http_requests_total | method, route, status |
| http_request_duration_seconds | method, route |
| http_requests_in_progress | |
| servicio_ml_predictions_total | model, version, protocol, outcome |
| servicio_ml_prediction_duration_seconds | model, protocol |
| servicio_ml_rejected_values_total | model, feature, reason |
| servicio_ml_realised_confusion_total | model, version, predicted, actual |
| servicio_ml_absolute_error_sum, servicio_ml_absolute_error_count | model, version |
| servicio_ml_label_lag_seconds | model |
| servicio_ml_label_corrections_total | model, version |
| servicio_ml_model_load_failures_total | model |
| servicio_ml_shadow_dropped_total | model |
| servicio_ml_prediction_log_dropped_total | model |
| servicio_ml_feature_observations_total | model, version, feature, bin |
| servicio_ml_prediction_observations_total | model, version, bin |
| servicio_ml_expected_confusion_total | model, version, predicted, actual |
| servicio_ml_reference_ratio | model, version, feature, bin |
| servicio_ml_reference_rows | model, version |
| servicio_ml_model_info | model, version, run_id |
| servicio_ml_champion_loaded_timestamp_seconds | model, version |
| servicio_ml_prediction_log_pending | |
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicio_ml.serving.served import Served
from servicio_ml.serving.tally import Counts, Head, Tallies

PREDICTION = "prediction"
"""The feature label under which the reference of the prediction itself is exported."""
HTTP_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
PREDICTION_BUCKETS_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)
HOUR_SECONDS = 3600
LAG_BUCKETS_SECONDS = tuple(HOUR_SECONDS * hours for hours in (0.1, 1, 6, 24, 48, 168, 336, 720, 2160))


class Metrics:
    """The counters and histograms of one process.

    Args:
        registry: Where they are registered; each test has its own.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        model, version = ("model",), ("model", "version")
        cells = (*version, "predicted", "actual")

        def counter(name: str, about: str, labels: Iterable[str]) -> Counter:
            return Counter(name, about, tuple(labels), registry=registry)

        def histogram(name: str, about: str, labels: Iterable[str], buckets: Sequence[float]) -> Histogram:
            return Histogram(name, about, tuple(labels), buckets=buckets, registry=registry)

        self.requests = counter("http_requests", "Requests answered.", ("method", "route", "status"))
        self.request_seconds = histogram(
            "http_request_duration_seconds", "From the head of a request to the end of its answer.",
            ("method", "route"), HTTP_BUCKETS_SECONDS,
        )  # fmt: skip
        self.in_progress = Gauge(
            "http_requests_in_progress", "Requests in hand.", registry=registry, multiprocess_mode="livesum"
        )
        self.predictions = counter(
            "servicio_ml_predictions", "Rows scored.", (*version, "protocol", "outcome")
        )
        self.prediction_seconds = histogram(
            "servicio_ml_prediction_duration_seconds", "From a decoded request to its logged answer.",
            ("model", "protocol"), PREDICTION_BUCKETS_SECONDS,
        )  # fmt: skip
        self.rejected = counter(
            "servicio_ml_rejected_values", "Values refused.", ("model", "feature", "reason")
        )
        self.realised = counter("servicio_ml_realised_confusion", "Rows whose truth came.", cells)
        self.absolute_error = Summary(
            "servicio_ml_absolute_error",
            "|truth - prediction|, in the target's unit.",
            version,
            registry=registry,
        )
        self.label_lag = histogram(
            "servicio_ml_label_lag_seconds", "From a prediction to its truth.", model, LAG_BUCKETS_SECONDS
        )
        self.corrections = counter("servicio_ml_label_corrections", "Truths that were corrected.", version)
        self.load_failures = counter("servicio_ml_model_load_failures", "Versions not loaded.", model)
        self.shadow_dropped = counter("servicio_ml_shadow_dropped", "Rows the challenger missed.", model)
        self.log_dropped = counter(
            "servicio_ml_prediction_log_dropped", "Rows answered but not logged.", model
        )


class Current(Collector):
    """What is read at the moment of the scrape.

    Args:
        tallies: Of all processes.
        champions: Those that are loaded in this process.
        pending: Rows of this machine that the prediction log has yet to get.
    """

    def __init__(
        self, tallies: Tallies, champions: Callable[[], Sequence[Served]], pending: Callable[[], int]
    ) -> None:
        self._tallies, self._champions, self._pending = tallies, champions, pending

    def collect(self) -> Iterator[Metric]:
        yield from _of_tallies(list(self._tallies.totals()))
        info = GaugeMetricFamily(
            "servicio_ml_model_info", "The champion.", labels=["model", "version", "run_id"]
        )
        loaded = GaugeMetricFamily(
            "servicio_ml_champion_loaded_timestamp_seconds",
            "When it was loaded.",
            labels=["model", "version"],
        )
        for served in self._champions():
            info.add_metric([served.model, str(served.version), served.info.run_id], 1)
            loaded.add_metric([served.model, str(served.version)], served.loaded)
        yield from (info, loaded)
        yield GaugeMetricFamily(
            "servicio_ml_prediction_log_pending", "Rows not yet in the prediction log.", self._pending()
        )


def _of_tallies(totals: Sequence[tuple[Head, Counts]]) -> Iterator[Metric]:
    version = ["model", "version"]
    cells = [*version, "feature", "bin"]
    seen = CounterMetricFamily("servicio_ml_feature_observations", "Values by reference bin.", labels=cells)
    answered = CounterMetricFamily(
        "servicio_ml_prediction_observations", "Answers by reference bin.", labels=[*version, "bin"]
    )
    expected = CounterMetricFamily(
        "servicio_ml_expected_confusion", "Sum of the calibrated probabilities of the actual class.",
        labels=[*version, "predicted", "actual"],
    )  # fmt: skip
    ratio = GaugeMetricFamily("servicio_ml_reference_ratio", "Share of the training rows.", labels=cells)
    rows = GaugeMetricFamily("servicio_ml_reference_rows", "Training rows.", labels=version)
    for head, counts in totals:
        mine = [head.model, str(head.version)]
        (*features, prediction), confusion = head.split(counts)
        for bins, numbers in zip(head.reference.features, features, strict=True):
            for label, number, share in zip(bins.labels, numbers, bins.shares, strict=True):
                seen.add_metric([*mine, bins.name, label], number)
                ratio.add_metric([*mine, bins.name, label], share)
        bins = head.reference.prediction
        for label, number, share in zip(bins.labels, prediction, bins.shares, strict=True):
            answered.add_metric([*mine, label], number)
            ratio.add_metric([*mine, PREDICTION, label], share)
        for predicted, row in zip(head.labels, confusion, strict=True):
            for actual, number in zip(head.labels, row, strict=True):
                expected.add_metric([*mine, predicted, actual], number)
        rows.add_metric(mine, head.reference.rows)
    yield from (seen, answered, expected, ratio, rows)
