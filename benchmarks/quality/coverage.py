"""Coverage and size of intervals and label sets on test rows of the shipped use cases.

One candidate of each use case is fitted with its initial parameters, and its intervals or sets of the test
rows at 90 % are compared with the truth, over all rows and by thirds of the difficulty. Beside them are
intervals of one width, or sets by one limit of the probability (split conformal prediction without a
difficulty), and those of MAPIE and crepes from the same answers. A small use case is split again at random,
since some hundreds of test rows say little.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from benchmarks.quality import report
from benchmarks.quality.conformal_peers import run_peers
from benchmarks.quality.protocols import SOURCES, THREADS, run
from sklearn.model_selection import train_test_split

from servicio_ml import bootstrap, settings
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.features.uncertainty.conformity import compute_quantiles
from servicio_ml.features.uncertainty.label_scores import compute_doubt, compute_label_scores
from servicio_ml.features.uncertainty.levels import DEFAULT_LEVEL
from servicio_ml.features.uncertainty.uncertainty import (
    LABEL_SET,
    LOWER,
    UPPER,
    Uncertainty,
    UncertaintyColumns,
    mark_covered,
)
from servicio_ml.lifecycle.published import read_manifest
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.training.calibrate import build_calibrated_output
from servicio_ml.pipeline.training.dataset import Holdout, build_holdout, build_problem
from servicio_ml.pipeline.training.fitting import (
    SEED,
    TrainingProblem,
    compute_scores,
    fit,
    score_out_of_fold,
)
from servicio_ml.pipeline.training.uncertainty.build import build_uncertainty, encode_unseen_rows
from servicio_ml.use_cases.catalogue import find

Floats = npt.NDArray[np.floating[Any]]
FAMILIES = ("lightgbm", "logistic_regression")
SMALL_ROWS, TEST_SHARE = 10_000, 0.25
TEST_ROWS, MAX_SPLITS = 12_000, 30
"""Number of test rows of all splits of a small use case together, and the maximum number of its splits."""
THIRDS = 3
TIMED_ROWS, TIMED_RUNS = 20_000, 5
COLUMNS = (
    "use case", "method", "calibration rows", "test rows", "coverage", "by third of the difficulty",
    "mean size", "empty", "smaller than one size", "µs a row",
)  # fmt: skip
OURS, ONE_SIZE = "ours", "one size"
Measured = dict[str, tuple[Floats, Floats]]
"""Coverage and size of interval or set of each test row, `[n]` each, by the name of the method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedModel:
    """A model's answers to test rows with their uncertainty, and its answers to unseen calibration rows."""

    test: Holdout
    predictions: Predictions
    uncertainty: Uncertainty
    unseen: Predictions
    unseen_truth: Floats
    unseen_matrix: Matrix


def measure_coverage(given: argparse.Namespace) -> None:
    """Write a line for each use case."""
    lines = report.MarkdownTable(given.output, *COLUMNS)
    for name in given.names or SOURCES:
        with tempfile.TemporaryDirectory(prefix="quality-") as scratch:
            state, use_case = Path(scratch), find(name)
            run(state, "etl", name, "--source", str(given.data / SOURCES[name]))
            candidate = next(each for each in use_case.candidates if each.family in FAMILIES)
            models = [calibrate(use_case, *each, candidate) for each in split_rows(use_case, state)]
            add_lines(lines, use_case, models)


def split_rows(use_case: UseCase, state: Path) -> Iterator[tuple[TrainingProblem, Holdout]]:
    """Split as published; a small use case at random, many times."""
    store = bootstrap.open_lake(settings.load_settings(state_dir=state))
    manifest = read_manifest(store, use_case.name)
    train, test = (read_split(store, manifest, part) for part in ("train", "test"))
    pairs = [(train, test)]
    if len(train) < SMALL_ROWS:
        rows = pl.concat([train, test])
        places = (
            train_test_split(np.arange(len(rows)), test_size=TEST_SHARE, random_state=seed)
            for seed in range(count_splits(len(rows)))
        )
        pairs = [(rows[some], rows[others]) for some, others in places]
    for some, others in pairs:
        problem = build_problem(use_case, manifest.schema, some, seed=SEED, threads=THREADS)
        yield problem, build_holdout(use_case, problem.setting.schema, others)


def count_splits(rows: int) -> int:
    """Count the random splits of a small use case."""
    return min(max(round(TEST_ROWS / (TEST_SHARE * rows)), 1), MAX_SPLITS)


def calibrate(
    use_case: UseCase, problem: TrainingProblem, test: Holdout, candidate: Candidate
) -> CalibratedModel:
    """Fit and calibrate a candidate, as training does."""
    windows = score_out_of_fold(problem, candidate, candidate.start)
    rows, raw = (np.concatenate(arrays) for arrays in zip(*windows, strict=True))
    output = build_calibrated_output(use_case, problem.truth[rows], raw, problem.get_weights(rows))
    matrix = encode_unseen_rows(problem)
    built = build_uncertainty(problem, output, rows, raw, matrix)
    if built is None:
        raise SystemExit(f"{use_case.name} has too few rows")
    model = fit(problem, candidate, candidate.start, np.arange(len(problem.matrix)))
    return CalibratedModel(
        test=test, predictions=output.transform(compute_scores(model, test.matrix)),
        uncertainty=built.uncertainty, unseen=output.transform(raw), unseen_truth=problem.truth[rows],
        unseen_matrix=matrix,
    )  # fmt: skip


def measure(model: CalibratedModel) -> Measured:
    """Measure ours, one size and the peers on the test rows of a model."""
    matrix, answers = model.test.matrix, model.predictions
    methods = {
        OURS: model.uncertainty.compute_columns(matrix, answers, DEFAULT_LEVEL),
        ONE_SIZE: compute_one_size(model),
        **run_peers((model.unseen_matrix, model.unseen), model.unseen_truth, (matrix, answers)),
    }
    return {
        name: (mark_covered(columns, model.test.truth).astype(float), compute_sizes(columns))
        for name, columns in methods.items()
    }


def compute_difficulty(model: CalibratedModel) -> Floats:
    """Compute the difficulty of the test rows, `[n]`."""
    if model.predictions.probabilities is not None:
        return compute_doubt(model.predictions.probabilities)
    return model.uncertainty.estimate_errors(model.test.matrix, model.predictions)


def compute_sizes(columns: UncertaintyColumns) -> Floats:
    """Compute the width of each interval, or the number of labels in each set."""
    if LOWER in columns:
        return np.asarray(columns[UPPER] - columns[LOWER])
    return np.asarray(columns[LABEL_SET].sum(axis=1), dtype=float)


def compute_one_size(model: CalibratedModel) -> UncertaintyColumns:
    """Compute intervals of one width, or sets by one limit, from the same calibration rows."""
    truth, unseen, answers = model.unseen_truth, model.unseen, model.predictions
    weights, level = np.ones(len(truth)), [DEFAULT_LEVEL]
    if unseen.probabilities is None or answers.probabilities is None:
        (half,) = compute_quantiles(np.abs(truth - unseen.outcomes), weights, level)
        limits = model.uncertainty.minimum, model.uncertainty.maximum
        return {
            LOWER: np.clip(answers.outcomes - half, *limits), UPPER: np.clip(answers.outcomes + half, *limits)
        }  # fmt: skip
    places = np.arange(len(truth)), truth.astype(int)
    # of the number 1, the answered label is in each set
    scores = compute_label_scores(unseen.probabilities, unseen.outcomes, np.ones(len(truth)))[places]
    (limit,) = compute_quantiles(scores, weights, level)
    numbers = np.ones(len(answers.outcomes))
    return {LABEL_SET: compute_label_scores(answers.probabilities, answers.outcomes, numbers) <= limit}


def add_lines(lines: report.MarkdownTable, use_case: UseCase, models: list[CalibratedModel]) -> None:
    """Add a line for each method, whose rows are those of all splits."""
    parts = [measure(each) for each in models]
    order = np.argsort(np.concatenate([compute_difficulty(each) for each in models]), kind="stable")
    rows = f"{len(order):,}" + (f" in {len(models)} splits" if len(models) > 1 else "")
    one = np.concatenate([each[ONE_SIZE][1] for each in parts]).mean()
    for name in parts[0]:
        covered, sizes = (np.concatenate(each) for each in zip(*(part[name] for part in parts), strict=True))
        lines.add(
            use_case.name, name, f"{len(models[0].unseen_truth):,}", rows, f"{covered.mean():.1%}",
            format_thirds(covered, order), f"{sizes.mean():.4g}", f"{(sizes == 0).mean():.1%}",
            f"{1 - sizes.mean() / one:.0%}", f"{time_rows(models[0]):.1f}" if name == OURS else "–",
        )  # fmt: skip


def format_thirds(covered: Floats, order: npt.NDArray[np.intp]) -> str:
    return ", ".join(f"{covered[part].mean():.1%}" for part in np.array_split(order, THIRDS))


def time_rows(model: CalibratedModel) -> float:
    """Measure the time of a row more in a large batch, in µs: the fastest of some runs."""
    rows = np.resize(np.arange(len(model.test.matrix)), TIMED_ROWS)
    matrix: Matrix = model.test.matrix[rows]
    predictions = model.predictions.select(rows)
    seconds = []
    for _ in range(TIMED_RUNS):
        started = time.perf_counter()
        model.uncertainty.compute_columns(matrix, predictions, DEFAULT_LEVEL)
        seconds.append(time.perf_counter() - started)
    return min(seconds) / TIMED_ROWS * 1e6
