"""Counts of predictions whose ground truth has arrived: cells, errors and ranks."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from servicio_ml.domain.prediction import LabelledPrediction
from servicio_ml.features.output import BINARY_CLASSES, POSITIVE
from servicio_ml.features.performance.rank_counts import ALL_BINS, RANK_BINS, count_ranks
from servicio_ml.serving.metrics import Metrics

OTHER_LABEL = "other"
"""Metric label of classes that the champion does not know: an older version may have had others."""


def count_truths(metrics: Metrics, labels: Sequence[str], found: Sequence[LabelledPrediction]) -> None:
    """Count the first ground truth of predictions; a counter cannot undo it after a correction.

    Args:
        metrics: Counters.
        labels: Labels of the champion's classes; empty for a regression.
        found: Predictions with new ground truth.
    """
    ranked = defaultdict(list)
    for each in found:
        version = (each.prediction.model, str(each.prediction.version))
        if each.revision > 1:
            metrics.label_corrections.labels(*version).inc()
        elif labels:
            cell = (_name_label(labels, each.prediction.outcome), _name_label(labels, each.actual))
            metrics.realised_confusion.labels(*version, *cell).inc()
            if len(each.prediction.probabilities) == BINARY_CLASSES and OTHER_LABEL not in cell:
                ranked[version].append((each.prediction.probabilities[POSITIVE], each.actual))
        else:
            error = abs(each.actual - each.prediction.outcome)
            metrics.absolute_error.labels(*version).observe(error)
            metrics.squared_error.labels(*version).inc(error**2)
    for version, pairs in ranked.items():
        _count_ranks(metrics, version, pairs)


def _count_ranks(metrics: Metrics, version: tuple[str, str], pairs: Sequence[tuple[float, float]]) -> None:
    """Count a batch at once: each negative is below all higher bins."""
    probabilities, actual = np.array(pairs).T
    ranks = count_ranks(probabilities, (actual == POSITIVE).astype(np.float64))
    for counter, numbers in (
        (metrics.realised_positives, ranks.positives),
        (metrics.realised_negatives_below, ranks.negatives_below),
    ):
        for label, number in zip((*RANK_BINS, ALL_BINS), numbers.tolist(), strict=False):
            if number:
                counter.labels(*version, label).inc(number)


def _name_label(labels: Sequence[str], code: float) -> str:
    return labels[int(code)] if 0 <= code < len(labels) else OTHER_LABEL
