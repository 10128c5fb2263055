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
| servicio_ml_retraining_decisions_total | model, decision |
| servicio_ml_retraining_budget_remaining | model |
| servicio_ml_quarantined | model |
| servicio_ml_feature_observations_total | model, version, feature, bin |
| servicio_ml_prediction_observations_total | model, version, bin |
| servicio_ml_expected_confusion_total | model, version, predicted, actual |
| servicio_ml_season_observations_total | model, version, season |
| servicio_ml_reference_ratio | model, version, feature, bin, season |
| servicio_ml_reference_rows | model, version, season |
| servicio_ml_drift_quantile | model, version, feature |
| servicio_ml_drift_practical_psi | model, version |
| servicio_ml_design_effect | model, version |
| servicio_ml_performance_limit | model, version, metric, season |
| servicio_ml_model_info | model, version, run_id |
| servicio_ml_model_ready | model |
| servicio_ml_champion_loaded_timestamp_seconds | model, version |
| servicio_ml_champion_registered_timestamp_seconds | model, version |
| servicio_ml_prediction_log_pending | |

A season is the calendar month of a row (`01` to `12`) where the model's reference tells months apart, else
`all`. The reference shares and limits of a season are told once it has had rows. The feature `prediction` is
the prediction itself.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicio_ml.domain.drift import null_quantile
from servicio_ml.features.profile import Profile
from servicio_ml.serving.models import Models
from servicio_ml.serving.tally import Head, Parts, Tallies

PREDICTION = "prediction"
"""The feature label under which the reference of the prediction itself is exported."""
VERSION = ("model", "version")
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
        model, version = ("model",), VERSION
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
        self.decisions = counter(
            "servicio_ml_retraining_decisions", "What notifications of alerts led to.", (*model, "decision")
        )


class Current(Collector):
    """What is read at the moment of the scrape.

    Args:
        tallies: Of all processes.
        models: Those that this process serves.
        pending: Rows of this machine that the prediction log has yet to get.
    """

    def __init__(self, tallies: Tallies, models: Models, pending: Callable[[], int]) -> None:
        self._tallies, self._models, self._pending = tallies, models, pending

    def collect(self) -> Iterator[Metric]:
        families = _Families()
        for head, counts in self._tallies.totals():
            families.add(head, head.split(counts))
        yield from families.made
        yield from self._champions()
        yield GaugeMetricFamily(
            "servicio_ml_prediction_log_pending", "Rows not yet in the prediction log.", self._pending()
        )

    def _champions(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily(
            "servicio_ml_model_ready", "Whether its champion answers.", labels=["model"]
        )
        info = GaugeMetricFamily("servicio_ml_model_info", "The champion.", labels=[*VERSION, "run_id"])
        loaded = GaugeMetricFamily(
            "servicio_ml_champion_loaded_timestamp_seconds", "When it was loaded.", labels=VERSION
        )
        registered = GaugeMetricFamily(
            "servicio_ml_champion_registered_timestamp_seconds", "When it was registered.", labels=VERSION
        )
        for model, known in sorted(self._models.known.items()):
            served = known.champion
            ready.add_metric([model], float(served is not None))
            if served is not None:
                info.add_metric([model, str(served.version), served.info.run_id], 1)
                loaded.add_metric([model, str(served.version)], served.loaded)
                registered.add_metric([model, str(served.version)], served.info.created)
        yield from (ready, info, loaded, registered)


class _Families:
    """What is told of the versions that have been loaded."""

    def __init__(self) -> None:
        bins = [*VERSION, "feature", "bin"]
        self.seen = CounterMetricFamily(
            "servicio_ml_feature_observations", "Values by reference bin.", labels=bins
        )
        self.answered = CounterMetricFamily(
            "servicio_ml_prediction_observations", "Answers by reference bin.", labels=[*VERSION, "bin"]
        )
        self.expected = CounterMetricFamily(
            "servicio_ml_expected_confusion", "Sum of the calibrated probabilities of the actual class.",
            labels=[*VERSION, "predicted", "actual"],
        )  # fmt: skip
        self.seasons = CounterMetricFamily(
            "servicio_ml_season_observations", "Rows by season.", labels=[*VERSION, "season"]
        )
        self.ratio = GaugeMetricFamily(
            "servicio_ml_reference_ratio", "Share of a season's training rows.", labels=[*bins, "season"]
        )
        self.rows = GaugeMetricFamily(
            "servicio_ml_reference_rows", "A season's training rows.", labels=[*VERSION, "season"]
        )
        self.quantile = GaugeMetricFamily(
            "servicio_ml_drift_quantile",
            "What the index over (1/rows + 1/reference rows) exceeds without drift as often as allowed.",
            labels=[*VERSION, "feature"],
        )
        self.practical = GaugeMetricFamily(
            "servicio_ml_drift_practical_psi", "An index below is not worth a ticket.", labels=VERSION
        )
        self.effect = GaugeMetricFamily(
            "servicio_ml_design_effect",
            "How many times more than that of independent rows a window varies.",
            labels=VERSION,
        )
        self.limit = GaugeMetricFamily(
            "servicio_ml_performance_limit", "What accuracy and f1_macro may not be below, mae not above.",
            labels=[*VERSION, "metric", "season"],
        )  # fmt: skip

    @property
    def made(self) -> tuple[Metric, ...]:
        return (
            self.seen, self.answered, self.expected, self.seasons,
            self.ratio, self.rows, self.quantile, self.practical, self.effect, self.limit,
        )  # fmt: skip

    def add(self, head: Head, parts: Parts) -> None:
        """Tell of one version."""
        mine, reference = [head.model, str(head.version)], head.reference
        self._columns(mine, reference, parts)
        self.practical.add_metric(mine, reference.policy.practical_psi)
        self.effect.add_metric(mine, reference.policy.design_effect)
        for (name, season), rows in zip(reference.seasons.items(), parts.seasons, strict=True):
            self.seasons.add_metric([*mine, name], rows)
            self.rows.add_metric([*mine, name], season.rows)
            if rows or len(reference.seasons) == 1:
                self._season(mine, reference, name)
        for predicted, row in zip(head.labels, parts.confusion, strict=True):
            for actual, number in zip(head.labels, row, strict=True):
                self.expected.add_metric([*mine, predicted, actual], number)

    def _columns(self, mine: list[str], reference: Profile, parts: Parts) -> None:
        *features, prediction = parts.columns
        for bins, numbers in zip(reference.features, features, strict=True):
            for label, number in zip(bins.labels, numbers, strict=True):
                self.seen.add_metric([*mine, bins.name, label], number)
        for label, number in zip(reference.prediction.labels, prediction, strict=True):
            self.answered.add_metric([*mine, label], number)
        for name, bins in zip(_names(reference), reference.every, strict=True):
            limit = null_quantile(
                bins=len(bins.labels), columns=len(reference.features), policy=reference.policy
            )
            self.quantile.add_metric([*mine, name], limit)

    def _season(self, mine: list[str], reference: Profile, name: str) -> None:
        season = reference.seasons[name]
        for feature, bins, shares in zip(_names(reference), reference.every, season.shares, strict=True):
            for label, share in zip(bins.labels, shares, strict=True):
                self.ratio.add_metric([*mine, feature, label, name], share)
        for metric, unseen in season.performance.items():
            self.limit.add_metric([*mine, metric, name], reference.policy.limit(metric, unseen))


def _names(reference: Profile) -> tuple[str, ...]:
    return (*(bins.name for bins in reference.features), PREDICTION)
