"""Plots of a model: PNGs with titles, units and colours that colour-blind readers can distinguish."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.importance import get_param_importances
from optuna.trial import TrialState
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.use_case import Task, UseCase
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.output import Predictions
from servicio_ml.pipeline.evaluate import compute_calibration_curve, compute_metric
from servicio_ml.pipeline.training.dataset import Holdout

Floats = npt.NDArray[np.floating[Any]]
# the palette of Okabe and Ito, which colour-blind readers can distinguish
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette."""
DPI = 110
IMPORTANCE_SECONDS = 10.0
# bounds, so that a slow model still gets a picture and a fast one does not take all rows
IMPORTANCE_ROWS = (200, 2000)
SHOWN_FEATURES = 20
MIN_TRIALS = 4


def draw_plots(
    folder: Path, use_case: UseCase, test: Holdout, candidate: str, predictions: Predictions
) -> None:
    """Write the pictures of a candidate's predictions for the holdout that fit the task."""
    pictures: dict[str, Callable[[Axes], None]] = {}
    title = f"{use_case.title}, {candidate}"
    if use_case.task is Task.REGRESSION:
        pictures["residuals"] = lambda axes: _draw_residuals(axes, use_case, test.truth, predictions.outcomes)
    else:
        labels, probabilities = use_case.target.labels, predictions.probabilities
        pictures["confusion_matrix"] = lambda axes: _draw_confusion(
            axes, labels, test.truth, predictions.outcomes
        )
        pictures["roc"] = lambda axes: _draw_curves(axes, labels, test, probabilities, _compute_roc)
        pictures["precision_recall"] = lambda axes: _draw_curves(
            axes, labels, test, probabilities, _compute_pr
        )
        pictures["calibration"] = lambda axes: _draw_calibration(axes, labels, test, probabilities)
    for name, draw in pictures.items():
        _save_plot(folder / f"{name}.png", f"{title}: {name.replace('_', ' ')}", draw)


def draw_importance(
    folder: Path, use_case: UseCase, artifact: Artifact, test: Holdout, latency_seconds: float
) -> None:
    """Write the permutation importance: how much the metric loses when one column is shuffled."""
    importance = compute_permutation_importance(use_case, artifact, test, latency_seconds)
    names = artifact.encoder.schema.names
    best = sorted(zip(importance, names, strict=True), reverse=True)[:SHOWN_FEATURES][::-1]

    def draw(axes: Axes) -> None:
        axes.barh([name for _, name in best], [loss for loss, _ in best], color=COLOURS[0])
        axes.set_xlabel(f"loss of {use_case.metric} when the column is shuffled")

    _save_plot(folder / "feature_importance.png", f"{use_case.title}: feature importance", draw, tall=True)


def compute_permutation_importance(
    use_case: UseCase, artifact: Artifact, test: Holdout, latency_seconds: float
) -> list[float]:
    """Loss of the use case's metric for each column of the matrix; greater is more important.

    As many rows are used as fit into `IMPORTANCE_SECONDS`.
    """
    features = test.matrix.shape[1]
    # the time of one row is known from the export, so the cost can be planned
    affordable = int(IMPORTANCE_SECONDS / (features * max(latency_seconds, 1e-6)))
    rows = slice(0, int(np.clip(affordable, *IMPORTANCE_ROWS)))
    order = np.random.default_rng(0).permutation(len(test.matrix))[rows]
    matrix, truth = test.matrix[order], test.truth[order]
    weights = None if test.weights is None else test.weights[order]

    def compute_value(rows: npt.NDArray[np.float32]) -> float:
        return compute_metric(use_case.metric, truth, artifact.predict(rows), weights)

    baseline = compute_value(matrix)
    sign = 1 if METRICS[use_case.metric].greater_is_better else -1
    return [sign * (baseline - compute_value(_shuffle_column(matrix, column))) for column in range(features)]


def _shuffle_column(matrix: npt.NDArray[np.float32], column: int) -> npt.NDArray[np.float32]:
    # the matrix is shared by all columns
    copy = matrix.copy()
    np.random.default_rng(column).shuffle(copy[:, column])
    return copy


def draw_correlation(folder: Path, use_case: UseCase, names: Sequence[str], matrix: Floats) -> None:
    """Write the correlation of the matrix's columns, over rows where both are there."""
    known = ~np.isnan(matrix)
    centred = np.where(known, matrix - np.nanmean(matrix, axis=0, where=known), 0.0)
    spread = np.sqrt((centred**2).sum(axis=0))
    scale = np.outer(spread, spread)
    correlation = np.divide(centred.T @ centred, scale, out=np.zeros_like(scale), where=scale > 0)

    def draw(axes: Axes) -> None:
        image = axes.imshow(correlation, cmap="PuOr", vmin=-1, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
        axes.set_yticks(range(len(names)), names, fontsize=6)
        axes.figure.colorbar(image, ax=axes, label="correlation")

    _save_plot(folder / "feature_correlation.png", f"{use_case.title}: feature correlation", draw, tall=True)


def draw_study(folder: Path, study: optuna.Study, metric: str) -> None:
    """Write a study's history and, from `MIN_TRIALS` on, the importance of its parameters."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    values = [trial.value for trial in trials if trial.value is not None]
    best = (
        np.maximum.accumulate(values) if study.direction.name == "MAXIMIZE" else np.minimum.accumulate(values)
    )

    def draw_history(axes: Axes) -> None:
        axes.scatter([trial.number for trial in trials], values, color=COLOURS[0], label="trial")
        axes.plot([trial.number for trial in trials], best, color=COLOURS[1], label="best so far")
        axes.set(xlabel="trial", ylabel=metric)
        axes.legend()

    _save_plot(folder / "optuna_history.png", f"{study.study_name}: trials", draw_history)
    varied = {name for trial in trials for name in trial.params}
    if len(trials) < MIN_TRIALS or len(varied) < 2 or np.ptp(values) == 0:  # noqa: PLR2004  importance compares two
        return
    importance = get_param_importances(study)

    def draw_importance(axes: Axes) -> None:
        axes.barh(list(importance)[::-1], list(importance.values())[::-1], color=COLOURS[0])
        axes.set_xlabel("share of the variance of the metric (fANOVA)")

    _save_plot(folder / "optuna_importance.png", f"{study.study_name}: parameters", draw_importance)


def _save_plot(path: Path, title: str, draw: Callable[[Axes], None], *, tall: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # not pyplot: its global state is not safe in threads and keeps every figure alive
    figure = Figure(figsize=(7, 7 if tall else 5), layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(title)
    figure.savefig(path, dpi=DPI)


def _draw_confusion(axes: Axes, labels: Sequence[str], truth: Floats, codes: Floats) -> None:
    counts = confusion_matrix(truth, codes, labels=range(len(labels)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        text = f"{counts[row, column]:,}\n{share:.1%}"
        axes.text(column, row, text, ha="center", va="center", color="white" if share > 0.5 else "black")  # noqa: PLR2004  legibility
    axes.set(xlabel="predicted", ylabel="actual")
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)


def _compute_roc(
    truth: npt.NDArray[np.bool_], probability: Floats, weights: Floats | None
) -> tuple[Floats, Floats]:
    false_rate, true_rate, _ = roc_curve(truth, probability, sample_weight=weights)
    return false_rate, true_rate


def _compute_pr(
    truth: npt.NDArray[np.bool_], probability: Floats, weights: Floats | None
) -> tuple[Floats, Floats]:
    precision, recall, _ = precision_recall_curve(truth, probability, sample_weight=weights)
    return recall, precision


AXES: Mapping[Any, tuple[str, str]] = {
    _compute_roc: ("false positive rate", "true positive rate"),
    _compute_pr: ("recall", "precision"),
}


def _draw_curves(
    axes: Axes,
    labels: Sequence[str],
    test: Holdout,
    probabilities: Floats | None,
    curve: Callable[[npt.NDArray[np.bool_], Floats, Floats | None], tuple[Floats, Floats]],
) -> None:
    for i, label in _list_shown_classes(labels):
        x, y = curve(test.truth == i, _select_column(probabilities, i), test.weights)
        axes.plot(x, y, color=COLOURS[i % len(COLOURS)], label=label)
    axes.set(xlabel=AXES[curve][0], ylabel=AXES[curve][1], xlim=(0, 1), ylim=(0, 1.02))
    axes.legend()


def _draw_calibration(axes: Axes, labels: Sequence[str], test: Holdout, probabilities: Floats | None) -> None:
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect")
    for i, label in _list_shown_classes(labels):
        curve = compute_calibration_curve(test.truth == i, _select_column(probabilities, i), test.weights)
        axes.plot([mean for mean, _, _ in curve], [share for _, share, _ in curve], "o-",
                  color=COLOURS[i % len(COLOURS)], label=label)  # fmt: skip
    axes.set(xlabel="mean predicted probability", ylabel="share of the class")
    axes.legend()


def _draw_residuals(axes: Axes, use_case: UseCase, truth: Floats, numbers: Floats) -> None:
    unit = f" [{use_case.target.unit}]" if use_case.target.unit else ""
    axes.scatter(numbers, truth - numbers, s=6, alpha=0.4, color=COLOURS[0])
    axes.axhline(0, color="grey", linestyle=":")
    axes.set(xlabel=f"predicted {use_case.target.name}{unit}", ylabel=f"actual − predicted{unit}")
    if use_case.target.log:
        axes.set_xscale("log")


def _list_shown_classes(labels: Sequence[str]) -> list[tuple[int, str]]:
    each = list(enumerate(labels))
    return each[1:] if len(each) == 2 else each  # noqa: PLR2004  of two classes the positive one


def _select_column(probabilities: Floats | None, i: int) -> Floats:
    return np.empty(0) if probabilities is None else probabilities[:, i]
