"""The metrics that are read at the moment of a scrape: bin counts, references and champions."""

from collections.abc import Callable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from servicio_ml.domain.drift import compute_null_quantile
from servicio_ml.features.performance.rank_counts import ALL_BINS, RANK_BINS, RankCounts
from servicio_ml.features.profile import ReferenceProfile
from servicio_ml.serving.metrics import PREDICTION_FEATURE, VERSION_LABELS
from servicio_ml.serving.models.bin_counts import BinCountsFolder, BinCountsHeader, VersionCounts
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.prediction.segments.families import SegmentFamilies

BIN_LABELS = (*VERSION_LABELS, "feature", "bin")


class StateCollector(Collector):
    """Metrics that are read at the moment of the scrape.

    Args:
        bin_counts: Counts of all processes.
        models: Loaded models of this process.
        count_pending: Returns the number of this machine's rows that are not in the prediction log yet.
    """

    def __init__(
        self, bin_counts: BinCountsFolder, models: LoadedModels, count_pending: Callable[[], int]
    ) -> None:
        self._bin_counts, self._models, self._count_pending = bin_counts, models, count_pending

    def collect(self) -> Iterator[Metric]:
        exported, segments = _VersionFamilies(), SegmentFamilies()
        for head, numbers in self._bin_counts.sum_versions():
            counts = head.split_counts(numbers)
            exported.add(head, counts)
            segments.add(head, counts)
        yield from (*exported.metrics, *segments.metrics)
        yield from self._collect_champions()
        # counted by the journal, which all processes of the machine share
        yield GaugeMetricFamily(
            "servicio_ml_prediction_log_pending", "Rows not yet in the prediction log.", self._count_pending()
        )

    def _collect_champions(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily(
            "servicio_ml_model_ready", "Whether the champion is loaded.", labels=["model"]
        )
        info = GaugeMetricFamily(
            "servicio_ml_model_info", "The champion.", labels=[*VERSION_LABELS, "run_id"]
        )
        loaded, registered = (
            GaugeMetricFamily(
                f"servicio_ml_champion_{verb}_timestamp_seconds", f"Time when the champion was {verb}.",
                labels=VERSION_LABELS,
            )
            for verb in ("loaded", "registered")
        )  # fmt: skip
        # sorted, so that two scrapes can be compared as text
        for model, status in sorted(self._models.statuses.items()):
            champion = status.champion
            ready.add_metric([model], float(champion is not None))
            if champion is not None:
                info.add_metric([model, str(champion.version), champion.info.run_id], 1)
                loaded.add_metric([model, str(champion.version)], champion.loaded_at)
                registered.add_metric([model, str(champion.version)], champion.info.created)
        yield from (ready, info, loaded, registered)


class _VersionFamilies:
    """Metric families of the versions that have been loaded."""

    def __init__(self) -> None:
        self._create_observations()
        self._create_ranks()
        self._create_errors()
        self._create_outliers()
        self._create_reference()
        self._create_limits()

    def _create_observations(self) -> None:
        self.feature_observations = CounterMetricFamily(
            "servicio_ml_feature_observations", "Values by reference bin.", labels=BIN_LABELS
        )
        self.prediction_observations = CounterMetricFamily(
            "servicio_ml_prediction_observations",
            "Predictions by reference bin.",
            labels=[*VERSION_LABELS, "bin"],
        )
        self.expected_confusion = CounterMetricFamily(
            "servicio_ml_expected_confusion", "Sum of the calibrated probabilities of the actual class.",
            labels=[*VERSION_LABELS, "predicted", "actual"],
        )  # fmt: skip
        self.season_observations = CounterMetricFamily(
            "servicio_ml_season_observations", "Rows by season.", labels=[*VERSION_LABELS, "season"]
        )

    def _create_ranks(self) -> None:
        labels = [*VERSION_LABELS, "bin"]
        self.expected_positives = CounterMetricFamily(
            "servicio_ml_expected_positives",
            "Sum of the calibrated probabilities by their bin.",
            labels=labels,
        )
        self.expected_negatives_below = CounterMetricFamily(
            "servicio_ml_expected_negatives_below",
            "Sum of the probabilities of the negative class that a positive of the bin exceeds.",
            labels=labels,
        )

    def _create_errors(self) -> None:
        self.expected_absolute_error = SummaryMetricFamily(
            "servicio_ml_expected_absolute_error", "Expected |truth - prediction|, in the target's unit.",
            labels=VERSION_LABELS,
        )  # fmt: skip
        self.expected_squared_error = CounterMetricFamily(
            "servicio_ml_expected_squared_error",
            "Expected (truth - prediction)², in the square of the target's unit.", labels=VERSION_LABELS,
        )  # fmt: skip

    def _create_outliers(self) -> None:
        self.outliers = CounterMetricFamily(
            "servicio_ml_outliers", "Rows by whether their outlier score is above the limit.",
            labels=[*VERSION_LABELS, "outlier"],
        )  # fmt: skip
        self.outlier_expected = GaugeMetricFamily(
            "servicio_ml_outlier_expected_ratio",
            "Share of the training rows above the limit of outlier scores, by a forest without them.",
            labels=VERSION_LABELS,
        )

    def _create_reference(self) -> None:
        self.reference_ratio = GaugeMetricFamily(
            "servicio_ml_reference_ratio",
            "Share of a season's training rows.",
            labels=[*BIN_LABELS, "season"],
        )
        self.reference_rows = GaugeMetricFamily(
            "servicio_ml_reference_rows", "A season's training rows.", labels=[*VERSION_LABELS, "season"]
        )
        self.quantile = GaugeMetricFamily(
            "servicio_ml_drift_quantile",
            "Quantile of PSI / (1/rows + 1/reference rows) without drift, at the false alarm rate.",
            labels=[*VERSION_LABELS, "feature"],
        )

    def _create_limits(self) -> None:
        self.importance = GaugeMetricFamily(
            "servicio_ml_feature_importance",
            "Mean absolute change of the score when the values of a field are exchanged between rows.",
            labels=[*VERSION_LABELS, "feature"],
        )
        self.practical_psi = GaugeMetricFamily(
            "servicio_ml_drift_practical_psi",
            "PSI below which drift is not worth a ticket.",
            labels=VERSION_LABELS,
        )
        self.design_effect = GaugeMetricFamily(
            "servicio_ml_design_effect",
            "Variance of a window relative to that of independent rows.",
            labels=VERSION_LABELS,
        )
        self.performance_limit = GaugeMetricFamily(
            "servicio_ml_performance_limit", "Minimum of accuracy and f1_macro, maximum of mae.",
            labels=[*VERSION_LABELS, "metric", "season"],
        )  # fmt: skip

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (
            self.feature_observations,
            self.prediction_observations,
            self.expected_confusion,
            self.expected_positives,
            self.expected_negatives_below,
            self.expected_absolute_error,
            self.expected_squared_error,
            self.outliers,
            self.outlier_expected,
            self.season_observations,
            self.reference_ratio,
            self.reference_rows,
            self.quantile,
            self.importance,
            self.practical_psi,
            self.design_effect,
            self.performance_limit,
        )

    def add(self, header: BinCountsHeader, counts: VersionCounts) -> None:
        """Add the metrics of one version."""
        mine, reference = [header.model, str(header.version)], header.reference
        self._add_columns(mine, reference, counts)
        self.practical_psi.add_metric(mine, reference.policy.practical_psi)
        self.design_effect.add_metric(mine, reference.policy.design_effect)
        for (name, season), rows in zip(reference.seasons.items(), counts.seasons, strict=True):
            self.season_observations.add_metric([*mine, name], rows)
            self.reference_rows.add_metric([*mine, name], season.rows)
            # seasons without rows would multiply the number of series by twelve
            if rows or len(reference.seasons) == 1:
                self._add_season(mine, reference, name)
        for predicted, row in zip(header.labels, counts.confusion, strict=True):
            for actual, number in zip(header.labels, row, strict=True):
                self.expected_confusion.add_metric([*mine, predicted, actual], number)
        if len(counts.ranks.positives):
            self._add_ranks(mine, counts.ranks)
        if header.has_errors:
            rows, absolute, squared = counts.errors.tolist()
            self.expected_absolute_error.add_metric(mine, count_value=rows, sum_value=absolute)
            self.expected_squared_error.add_metric(mine, squared)
        if header.outlier_share is not None:
            self._add_outliers(mine, header.outlier_share, *counts.outliers.tolist())

    def _add_outliers(self, version_labels: list[str], expected: float, scored: float, above: float) -> None:
        self.outliers.add_metric([*version_labels, "false"], scored - above)
        self.outliers.add_metric([*version_labels, "true"], above)
        self.outlier_expected.add_metric(version_labels, expected)

    def _add_columns(
        self, version_labels: list[str], reference: ReferenceProfile, counts: VersionCounts
    ) -> None:
        *features, prediction = counts.columns
        for bins, numbers in zip(reference.features, features, strict=True):
            for label, number in zip(bins.labels, numbers, strict=True):
                self.feature_observations.add_metric([*version_labels, bins.name, label], number)
        for label, number in zip(reference.prediction.labels, prediction, strict=True):
            self.prediction_observations.add_metric([*version_labels, label], number)
        for name, bins in zip(_list_columns(reference), reference.all_bins, strict=True):
            limit = compute_null_quantile(
                bins=len(bins.labels), columns=len(reference.features), policy=reference.policy
            )
            self.quantile.add_metric([*version_labels, name], limit)
        # models of earlier releases have none
        for bins, importance in zip(reference.features, reference.importance, strict=False):
            self.importance.add_metric([*version_labels, bins.name], importance)

    def _add_ranks(self, version_labels: list[str], ranks: RankCounts) -> None:
        for label, number in zip(RANK_BINS, ranks.positives, strict=True):
            self.expected_positives.add_metric([*version_labels, label], number)
        for label, number in zip((*RANK_BINS, ALL_BINS), ranks.negatives_below, strict=True):
            self.expected_negatives_below.add_metric([*version_labels, label], number)

    def _add_season(self, version_labels: list[str], reference: ReferenceProfile, name: str) -> None:
        season = reference.seasons[name]
        for feature, bins, shares in zip(
            _list_columns(reference), reference.all_bins, season.shares, strict=True
        ):
            for label, share in zip(bins.labels, shares, strict=True):
                self.reference_ratio.add_metric([*version_labels, feature, label, name], share)
        for metric, unseen in season.performance.items():
            self.performance_limit.add_metric(
                [*version_labels, metric, name], reference.policy.compute_limit(metric, unseen)
            )


def _list_columns(reference: ReferenceProfile) -> tuple[str, ...]:
    return (*(bins.name for bins in reference.features), PREDICTION_FEATURE)
