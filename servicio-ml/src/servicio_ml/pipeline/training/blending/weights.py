"""Weights of a blend, chosen on scores of rows that the members have not seen."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.metric import METRICS
from servicio_ml.pipeline.evaluate import compute_metric
from servicio_ml.pipeline.training.calibrate import build_plain_output
from servicio_ml.pipeline.training.fitting import TrainingProblem

Floats = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.intp]
Windows = Sequence[tuple[Rows, Floats]]
"""Rows that each window of the cross-validation validates, with their scores."""
ROUNDS = 20
"""Steps of the selection: weights are multiples of at least 1/20."""


def choose_weights(problem: TrainingProblem, windows: Mapping[str, Windows]) -> dict[str, float]:
    """Choose the weight of each member by greedy selection with replacement.

    Each round adds the member that makes the average best; the best round counts (Caruana, Niculescu-Mizil,
    Crew and Ksikes 2004, "Ensemble selection from libraries of models"). Members that are never added are
    absent; one member alone means that no blend is better than it.

    Args:
        problem: The training rows, with the metric.
        windows: Windows by name of each member; all have the same rows.
    """
    picked = list[str]()
    found: tuple[float, list[str]] = (-np.inf, [])
    for _ in range(ROUNDS):
        value, best = max(
            # the first of equals is kept, so that the same scores give the same weights
            (
                (_compute_quality(problem, windows, [*picked, name]), -place, name)
                for place, name in enumerate(windows)
            )
        )[::2]
        picked.append(best)
        if value > found[0]:
            found = (value, [*picked])
    chosen = found[1]
    return {name: chosen.count(name) / len(chosen) for name in windows if name in chosen}


def average_windows(
    windows: Mapping[str, Windows], weights: Mapping[str, float]
) -> list[tuple[Rows, Floats]]:
    """Add up the members' weighted scores, window by window."""
    members = [windows[name] for name in weights]
    return [
        (parts[0][0], _add_scores([scores for _, scores in parts], [*weights.values()]))
        for parts in zip(*members, strict=True)
    ]


def _add_scores(scores: Sequence[Floats], weights: Sequence[float]) -> Floats:
    parts = [weight * each for weight, each in zip(weights, scores, strict=True)]
    return np.asarray(np.sum(parts, axis=0))


def _compute_quality(
    problem: TrainingProblem, windows: Mapping[str, Windows], picked: Sequence[str]
) -> float:
    """Rate an average of members by the use case's metric, greater is better; NaN counts as the worst."""
    weights = {name: picked.count(name) / len(picked) for name in dict.fromkeys(picked)}
    metric, output = METRICS[problem.use_case.metric], build_plain_output(problem)
    value = np.mean(
        [
            compute_metric(
                metric.name, problem.truth[rows], output.transform(scores), problem.get_weights(rows)
            )
            for rows, scores in average_windows(windows, weights)
        ]
    )
    if np.isnan(value):
        return -np.inf
    return float(value) if metric.greater_is_better else -float(value)
