"""Versions of a model, and their answers to rows that none has seen: equal ones, and planted worse ones."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from benchmarks.quality.coverage import CalibratedModel, calibrate
from benchmarks.quality.expected.models import CANDIDATE, THREADS, write_source
from benchmarks.quality.protocols import run
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from servicio_ml import bootstrap, settings
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.uncertainty.levels import DEFAULT_LEVEL
from servicio_ml.lifecycle.published import read_manifest
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.training.dataset import build_holdout, build_problem
from servicio_ml.pipeline.training.fitting import SEED
from servicio_ml.use_cases.catalogue import find

Array = npt.NDArray[Any]
SMALL_SHARE = 0.1
"""Share of the training rows of the version that a better one replaces."""
TIMED_ROWS, LARGEST_NOISE, HALVINGS = 400, 8.0, 25
SMALLEST_PROBABILITY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Answers of a version to the rows of a pool.

    Attributes:
        scores: Number, or probability of the positive class, `[n]`.
        losses: Absolute error, or Brier score (the sum over both classes), `[n]`.
        expected: Loss that the version expects of itself, `[n]`.
    """

    scores: Array
    losses: Array
    expected: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Contenders:
    """Versions of a model, the earliest row first.

    Attributes:
        use_case: Its use case.
        truth: 0 and 1, or numbers, `[n]`.
        days: Day of each row since 1970, `[n]`; empty where rows have no date.
        halves: Two versions of a random half of the training rows each.
        better: Version of all training rows.
        small: Version of a tenth of them.
        seconds: Times to score one row, `[trials]`.
    """

    use_case: UseCase
    truth: Array
    days: Array
    halves: tuple[Version, Version]
    better: Version
    small: Version
    seconds: Array

    @property
    def has_classes(self) -> bool:
        return bool(self.use_case.target.labels)


def build_contenders(name: str, data: Path) -> Contenders:
    """Publish the original rows of a use case and train its versions.

    Raises:
        subprocess.CalledProcessError: The rows cannot be published.
    """
    with tempfile.TemporaryDirectory(prefix="rollout-") as scratch:
        state = Path(scratch) / "state"
        run(state, "etl", name, "--source", str(write_source(name, data, Path(scratch))))
        store = bootstrap.open_lake(settings.load_settings(state_dir=state))
        manifest = read_manifest(store, name)
        train, test = (read_split(store, manifest, part) for part in ("train", "test"))
    use_case, rng = find(name), np.random.default_rng(SEED)
    places = rng.permutation(len(train))
    half, small = len(train) // 2, round(SMALL_SHARE * len(train))
    parts = (places[:half], places[half:], places, rng.permutation(len(train))[:small])
    models = [_train(use_case, manifest.schema, train[np.sort(rows)], test) for rows in parts]
    days = _get_days(use_case, test)
    order = np.argsort(days, kind="stable") if len(days) else np.arange(len(test))
    first, second, better, smallest = (_select(_build_version(each), order) for each in models)
    return Contenders(
        use_case=use_case, truth=models[0].test.truth[order], days=days[order] if len(days) else days,
        halves=(first, second), better=better, small=smallest, seconds=_time_rows(models[0]),
    )  # fmt: skip


def _train(
    use_case: UseCase, schema: FeatureSchema, rows: pl.DataFrame, test: pl.DataFrame
) -> CalibratedModel:
    problem = build_problem(use_case, schema, rows, seed=SEED, threads=THREADS)
    holdout = build_holdout(use_case, problem.setting.schema, test)
    return calibrate(use_case, problem, holdout, use_case.get_candidate(CANDIDATE))


def _get_days(use_case: UseCase, rows: pl.DataFrame) -> Array:
    if not use_case.event_date:
        return np.empty(0)
    return rows[use_case.event_date].to_numpy().astype("datetime64[D]").astype(float)


def _build_version(model: CalibratedModel) -> Version:
    probabilities, truth = model.predictions.probabilities, model.test.truth
    if probabilities is not None:
        return build_class_version(probabilities[:, 1].astype(float), truth)
    errors = model.uncertainty.estimate_errors(model.test.matrix, model.predictions)
    return build_number_version(model.predictions.outcomes, truth, errors)


def build_class_version(scores: Array, truth: Array) -> Version:
    return Version(
        scores=scores, losses=2 * (scores - truth) ** 2, expected=2 * scores * (1 - scores)
    )  # fmt: skip


def build_number_version(scores: Array, truth: Array, expected: Array) -> Version:
    return Version(scores=scores, losses=np.abs(scores - truth), expected=expected)


def _select(version: Version, rows: Array) -> Version:
    return Version(scores=version.scores[rows], losses=version.losses[rows], expected=version.expected[rows])


def _time_rows(model: CalibratedModel) -> Array:
    """Measure the time of the answers to single rows with their uncertainty, in seconds, `[trials]`."""
    seconds = np.empty(TIMED_ROWS)
    for i in range(TIMED_ROWS):
        row = np.array([i % len(model.test.matrix)])
        matrix, predictions = model.test.matrix[row], model.predictions.select(row)
        started = time.perf_counter()
        model.uncertainty.compute_columns(matrix, predictions, DEFAULT_LEVEL)
        seconds[i] = time.perf_counter() - started
    return seconds


def add_auc_loss(version: Version, truth: Array, loss: float, rng: np.random.Generator) -> Version:
    """Lower the ROC-AUC by noise on the log odds, which are calibrated anew: it knows no better."""
    noise, best = rng.normal(size=len(truth)), roc_auc_score(truth, version.scores)

    def change(scale: float) -> Version:
        odds = logit(np.clip(version.scores, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)) + scale * noise
        fitted = LogisticRegression(C=np.inf).fit(odds[:, None], truth)
        return build_class_version(expit(fitted.decision_function(odds[:, None])), truth)

    return _find_noise(change, lambda each: float(best - roc_auc_score(truth, each.scores)), loss)


def add_growth(contenders: Contenders, version: Version, growth: float, rng: np.random.Generator) -> Version:
    """Let the mean loss grow by noise that is as large as the expected error of each row."""
    truth, noise = contenders.truth, rng.normal(size=len(contenders.truth))
    if contenders.has_classes:

        def change(scale: float) -> Version:
            odds = logit(np.clip(version.scores, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
            return build_class_version(expit(odds + scale * noise), truth)

    else:

        def change(scale: float) -> Version:
            blurred = version.scores + scale * noise * version.expected
            return build_number_version(blurred, truth, version.expected)

    return _find_noise(change, lambda each: float(each.losses.mean() / version.losses.mean() - 1), growth)


def _find_noise(
    change: Callable[[float], Version], measure: Callable[[Version], float], target: float
) -> Version:
    low, high = 0.0, LARGEST_NOISE
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if measure(change(middle)) >= target else (middle, high)
    return change(high)


def scale_halves(contenders: Contenders) -> Contenders:
    """Scale the losses of the second half so that both means are equal: an exact A/A of any roles."""
    first, second = contenders.halves
    scale = first.losses.mean() / second.losses.mean()
    return replace(contenders, halves=(first, replace(second, losses=second.losses * scale)))
