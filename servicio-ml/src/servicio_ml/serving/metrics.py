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
| servicio_ml_squared_error_total | model, version |
| servicio_ml_realised_positives_total, servicio_ml_realised_negatives_below_total | model, version, bin |
| servicio_ml_interval_covered_total | model, version, level, covered |
| servicio_ml_interval_expected_covered_total | model, version, level |
| servicio_ml_segment_labels_total, servicio_ml_segment_loss_total | model, version, segment, value |
| servicio_ml_segment_squared_loss_total | model, version, segment, value |
| servicio_ml_segment_interval_covered_total | model, version, segment, value |
| servicio_ml_segment_realised_confusion_total | model, version, segment, value, predicted, actual |
| servicio_ml_label_lag_seconds | model |
| servicio_ml_label_corrections_total | model, version |
| servicio_ml_model_load_failures_total | model |
| servicio_ml_model_worker_up | model, version |
| servicio_ml_model_worker_restarts_total | model, version |
| servicio_ml_model_worker_failures_total | model, version, reason |
| servicio_ml_shadow_dropped_total | model |
| servicio_ml_prediction_log_dropped_total | model |
| servicio_ml_retraining_decisions_total | model, decision |
| servicio_ml_retraining_budget_remaining | model |
| servicio_ml_quarantined | model |
| servicio_ml_acknowledged_psi | model, feature |
| servicio_ml_acknowledged_missing_ratio | model, feature |
| servicio_ml_rollout_changed_timestamp_seconds | model, champion, challenger, state, share, by |
| servicio_ml_rollout_share | model, version, arm |
| servicio_ml_rollout_deadline_timestamp_seconds | model, state |
| servicio_ml_rollout_guardrail_value, servicio_ml_rollout_guardrail_limit | model, guardrail |
| servicio_ml_rollout_guardrail_verdict, servicio_ml_rollout_guardrail_rows | model, guardrail |
| servicio_ml_feature_observations_total | model, version, feature, bin |
| servicio_ml_prediction_observations_total | model, version, bin |
| servicio_ml_expected_confusion_total | model, version, predicted, actual |
| servicio_ml_expected_positives_total, servicio_ml_expected_negatives_below_total | model, version, bin |
| servicio_ml_expected_absolute_error_sum, servicio_ml_expected_absolute_error_count | model, version |
| servicio_ml_expected_squared_error_total | model, version |
| servicio_ml_outliers_total | model, version, outlier |
| servicio_ml_outlier_expected_ratio | model, version |
| servicio_ml_season_observations_total | model, version, season |
| servicio_ml_segment_predictions_total | model, version, segment, value |
| servicio_ml_segment_missing_values_total | model, version, segment, value |
| servicio_ml_segment_expected_loss_total | model, version, segment, value |
| servicio_ml_segment_expected_confusion_total | model, version, segment, value, predicted, actual |
| servicio_ml_segment_reference_rows, servicio_ml_segment_reference_loss | model, version, segment, value |
| servicio_ml_segment_reference_variance, servicio_ml_segment_loss_limit | model, version, segment, value |
| servicio_ml_segment_design_effect | model, version, segment |
| servicio_ml_segment_deviations | model, version |
| servicio_ml_protected | model, version, segment, label |
| servicio_ml_fairness_limit | model, version, segment, figure |
| servicio_ml_reference_ratio | model, version, feature, bin, season |
| servicio_ml_reference_rows | model, version, season |
| servicio_ml_drift_quantile | model, version, feature |
| servicio_ml_feature_importance | model, version, feature |
| servicio_ml_drift_practical_psi | model, version |
| servicio_ml_design_effect | model, version |
| servicio_ml_performance_limit | model, version, metric, season |
| servicio_ml_model_info | model, version, run_id |
| servicio_ml_model_ready | model |
| servicio_ml_champion_loaded_timestamp_seconds | model, version |
| servicio_ml_champion_registered_timestamp_seconds | model, version |
| servicio_ml_prediction_log_pending | |

A season is the calendar month of a row (`01` to `12`) where the model's reference distinguishes months, else
`all`. The reference shares and limits of a season are exported once it has rows. The feature `prediction` is
the prediction itself. The `bin` of positives and negatives is that of `features/performance/rank_counts.py`.

A segment is a field; its `value` is one of the levels or ranges that were fixed at training, `other` or
`missing`. The loss of a row is 1 where its class is wrong, or its absolute error. Only segments that ask for
cells have a confusion.

A rollout is exported while it runs and for 7 days after its end. The label `share` is that of the challenger
after the last change, `by` says whether the `program` or a `person` made it. A verdict is 0 where the
guardrail holds, 1 where the evidence is open, 2 where it is breached.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary

PREDICTION_FEATURE = "prediction"
"""Value of the label `feature` for the reference of the prediction itself."""
MODEL_LABELS = ("model",)
VERSION_LABELS = ("model", "version")
SEGMENT_LABELS = (*VERSION_LABELS, "segment", "value")
HTTP_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
PREDICTION_BUCKETS_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)
HOUR_SECONDS = 3600
LAG_BUCKETS_SECONDS = tuple(HOUR_SECONDS * hours for hours in (0.1, 1, 6, 24, 48, 168, 336, 720, 2160))


class Metrics:
    """Counters and histograms of one process.

    Args:
        registry: Prometheus registry; each test has its own.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        families = _Families(registry)
        self._add_request_metrics(families)
        self._add_prediction_metrics(families)
        self._add_ground_truth_metrics(families)
        self._add_model_metrics(families)
        self._add_worker_metrics(families)

    def _add_request_metrics(self, families: "_Families") -> None:
        self.requests = families.add_counter(
            "http_requests", "Requests answered.", ("method", "route", "status")
        )
        self.request_seconds = families.add_histogram(
            "http_request_duration_seconds", "Time from the headers of a request to the end of its response.",
            ("method", "route"), HTTP_BUCKETS_SECONDS,
        )  # fmt: skip
        # livesum: the sum over the living workers, as dead ones have no requests in flight
        self.in_progress = Gauge(
            "http_requests_in_progress", "Requests in flight.", registry=families.registry,
            multiprocess_mode="livesum",
        )  # fmt: skip

    def _add_prediction_metrics(self, families: "_Families") -> None:
        self.predictions = families.add_counter(
            "servicio_ml_predictions", "Rows scored.", (*VERSION_LABELS, "protocol", "outcome")
        )
        self.prediction_seconds = families.add_histogram(
            "servicio_ml_prediction_duration_seconds", "Time from a decoded request to its logged result.",
            ("model", "protocol"), PREDICTION_BUCKETS_SECONDS,
        )  # fmt: skip
        self.rejected_values = families.add_counter(
            "servicio_ml_rejected_values", "Values refused.", ("model", "feature", "reason")
        )
        self.shadow_dropped = families.add_counter(
            "servicio_ml_shadow_dropped", "Rows that the challenger in shadow did not score.", MODEL_LABELS
        )
        self.log_dropped = families.add_counter(
            "servicio_ml_prediction_log_dropped", "Rows answered but not logged.", MODEL_LABELS
        )

    def _add_ground_truth_metrics(self, families: "_Families") -> None:
        self.realised_confusion = families.add_counter(
            "servicio_ml_realised_confusion", "Rows with ground truth, by predicted and actual class.",
            (*VERSION_LABELS, "predicted", "actual"),
        )  # fmt: skip
        bins = (*VERSION_LABELS, "bin")
        self.realised_positives = families.add_counter(
            "servicio_ml_realised_positives", "Rows of the positive class, by their probability.", bins
        )
        self.realised_negatives_below = families.add_counter(
            "servicio_ml_realised_negatives_below",
            "Rows of the negative class that a positive of the bin exceeds.", bins,
        )  # fmt: skip
        # a summary: the buckets of a histogram would depend on the unit of the target
        self.absolute_error = Summary(
            "servicio_ml_absolute_error", "|truth - prediction|, in the target's unit.", VERSION_LABELS,
            registry=families.registry,
        )  # fmt: skip
        self.squared_error = families.add_counter(
            "servicio_ml_squared_error", "(truth - prediction)², in the square of the target's unit.",
            VERSION_LABELS,
        )  # fmt: skip
        self.interval_covered = families.add_counter(
            "servicio_ml_interval_covered", "Rows with ground truth, by whether interval or set holds it.",
            (*VERSION_LABELS, "level", "covered"),
        )  # fmt: skip
        self.interval_expected = families.add_counter(
            "servicio_ml_interval_expected_covered",
            "Sum of the share of calibration rows whose interval or set holds the truth.",
            (*VERSION_LABELS, "level"),
        )
        self._add_segment_metrics(families)
        self.label_lag = families.add_histogram(
            "servicio_ml_label_lag_seconds", "Time from a prediction to its ground truth.", MODEL_LABELS,
            LAG_BUCKETS_SECONDS,
        )  # fmt: skip
        self.label_corrections = families.add_counter(
            "servicio_ml_label_corrections", "Corrections of ground truth.", VERSION_LABELS
        )

    def _add_segment_metrics(self, families: "_Families") -> None:
        def add(name: str, about: str, *labels: str) -> Counter:
            return families.add_counter(f"servicio_ml_segment_{name}", about, (*SEGMENT_LABELS, *labels))

        self.segment_labels = add("labels", "Rows with ground truth, by segment.")
        self.segment_loss = add("loss", "Wrong classes, or sum of |truth - prediction|, by segment.")
        self.segment_squared_loss = add("squared_loss", "Sum of (truth - prediction)², by segment.")
        self.segment_covered = add("interval_covered", "Rows whose interval or set holds the truth.")
        self.segment_confusion = add(
            "realised_confusion", "Rows by predicted and actual class, by segment.", "predicted", "actual"
        )

    def _add_model_metrics(self, families: "_Families") -> None:
        self.load_failures = families.add_counter(
            "servicio_ml_model_load_failures", "Versions that could not be loaded.", MODEL_LABELS
        )
        self.retraining_decisions = families.add_counter(
            "servicio_ml_retraining_decisions",
            "Retraining decisions on alert notifications.",
            (*MODEL_LABELS, "decision"),
        )

    def _add_worker_metrics(self, families: "_Families") -> None:
        # livemin: each worker of the server has a process of its own for the model, and all must run
        self.worker_up = Gauge(
            "servicio_ml_model_worker_up", "Whether the process of an isolated model is ready.",
            VERSION_LABELS, registry=families.registry, multiprocess_mode="livemin",
        )  # fmt: skip
        self.worker_restarts = families.add_counter(
            "servicio_ml_model_worker_restarts", "Processes of an isolated model that replaced an ended one.",
            VERSION_LABELS,
        )  # fmt: skip
        self.worker_failures = families.add_counter(
            "servicio_ml_model_worker_failures",
            "Requests that an isolated model has not answered, and failed starts of its process.",
            (*VERSION_LABELS, "reason"),
        )


@dataclass(frozen=True, slots=True)
class _Families:
    """Metric families that belong to one registry."""

    registry: CollectorRegistry

    def add_counter(self, name: str, about: str, labels: Sequence[str]) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def add_histogram(
        self, name: str, about: str, labels: Sequence[str], buckets: Sequence[float]
    ) -> Histogram:
        return Histogram(name, about, labels, buckets=buckets, registry=self.registry)
