"""Metric families of the segments of the versions that have been loaded."""

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from servicio_ml.features.output import POSITIVE
from servicio_ml.features.performance.looks import compute_deviations
from servicio_ml.features.performance.segment_counts import SegmentCounts
from servicio_ml.features.performance.segments import SegmentProfile
from servicio_ml.serving.metrics import SEGMENT_LABELS, VERSION_LABELS
from servicio_ml.serving.models.bin_counts import BinCountsHeader, VersionCounts

CELL_LABELS = (*SEGMENT_LABELS, "predicted", "actual")


class SegmentFamilies:
    """Metric families of segments."""

    def __init__(self) -> None:
        self.predictions = CounterMetricFamily(
            "servicio_ml_segment_predictions", "Rows scored, by segment.", labels=SEGMENT_LABELS
        )
        self.missing = CounterMetricFamily(
            "servicio_ml_segment_missing_values", "Missing values of the rows' fields.", labels=SEGMENT_LABELS
        )
        self.expected_loss = CounterMetricFamily(
            "servicio_ml_segment_expected_loss", "Sum of the expected losses.", labels=SEGMENT_LABELS
        )
        self.expected_confusion = CounterMetricFamily(
            "servicio_ml_segment_expected_confusion",
            "Sum of the calibrated probabilities of the actual class, by segment.",
            labels=CELL_LABELS,
        )
        self.protected = GaugeMetricFamily(
            "servicio_ml_protected", "Protected attribute, and the positive label of its rates.",
            labels=[*VERSION_LABELS, "segment", "label"],
        )  # fmt: skip
        self.fairness_limit = GaugeMetricFamily(
            "servicio_ml_fairness_limit", "Maximum difference of a rate between groups.",
            labels=[*VERSION_LABELS, "segment", "figure"],
        )  # fmt: skip
        self._create_reference()

    def _create_reference(self) -> None:
        self.reference_rows = GaugeMetricFamily(
            "servicio_ml_segment_reference_rows",
            "Rows that the model was not trained on.",
            labels=SEGMENT_LABELS,
        )
        self.reference_loss = GaugeMetricFamily(
            "servicio_ml_segment_reference_loss", "Mean loss of these rows.", labels=SEGMENT_LABELS
        )
        self.reference_variance = GaugeMetricFamily(
            "servicio_ml_segment_reference_variance",
            "Variance of the absolute error of these rows.",
            labels=SEGMENT_LABELS,
        )
        self.loss_limit = GaugeMetricFamily(
            "servicio_ml_segment_loss_limit", "Mean loss that is worth an alert.", labels=SEGMENT_LABELS
        )
        self.design_effect = GaugeMetricFamily(
            "servicio_ml_segment_design_effect",
            "Variance of a value's mean loss relative to that of independent rows.",
            labels=[*VERSION_LABELS, "segment"],
        )
        self.deviations = GaugeMetricFamily(
            "servicio_ml_segment_deviations",
            "Standard deviations beyond which a value's loss is no chance, in a year of all values.",
            labels=VERSION_LABELS,
        )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (
            self.predictions,
            self.missing,
            self.expected_loss,
            self.expected_confusion,
            self.reference_rows,
            self.reference_loss,
            self.reference_variance,
            self.loss_limit,
            self.design_effect,
            self.deviations,
            self.protected,
            self.fairness_limit,
        )

    def add(self, header: BinCountsHeader, counts: VersionCounts) -> None:
        """Add the metrics of one version."""
        mine, profiles = [header.model, str(header.version)], header.reference.segments
        for profile, numbers in zip(profiles, counts.segments, strict=True):
            self._add_counts(mine, header, profile, numbers)
            self._add_reference(mine, header, profile)
            self.design_effect.add_metric([*mine, profile.field], profile.design_effect)
            if profile.protected:
                self.protected.add_metric([*mine, profile.field, header.labels[POSITIVE]], 1)
            for figure, limit in profile.limits.items():
                self.fairness_limit.add_metric([*mine, profile.field, figure], limit)
        if compared := sum(sum(profile.is_compared) for profile in profiles):
            self.deviations.add_metric(mine, compute_deviations(compared))

    def _add_counts(
        self, mine: Sequence[str], header: BinCountsHeader, profile: SegmentProfile, counts: SegmentCounts
    ) -> None:
        knows_losses = bool(header.labels) or header.has_errors
        for i, labels in _list_labels(mine, profile):
            self.predictions.add_metric(labels, counts.rows[i])
            self.missing.add_metric(labels, counts.missing[i])
            if knows_losses:
                self.expected_loss.add_metric(labels, counts.expected_losses[i])
            if profile.cells:
                for predicted, row in zip(header.labels, counts.cells[i], strict=True):
                    for actual, number in zip(header.labels, row, strict=True):
                        self.expected_confusion.add_metric([*labels, predicted, actual], number)

    def _add_reference(self, mine: Sequence[str], header: BinCountsHeader, profile: SegmentProfile) -> None:
        for i, labels in _list_labels(mine, profile):
            if not profile.is_compared[i]:
                continue
            loss = profile.losses[i]
            self.reference_rows.add_metric(labels, profile.rows[i])
            self.reference_loss.add_metric(labels, loss)
            policy = header.reference.policy
            if header.labels:
                self.loss_limit.add_metric(labels, 1 - policy.compute_limit("accuracy", 1 - loss))
            else:
                self.loss_limit.add_metric(labels, policy.compute_limit("mae", loss))
                self.reference_variance.add_metric(labels, profile.variances[i])


def _list_labels(mine: Sequence[str], profile: SegmentProfile) -> Iterator[tuple[int, list[str]]]:
    for i, value in enumerate(profile.values):
        yield i, [*mine, profile.field, value]
