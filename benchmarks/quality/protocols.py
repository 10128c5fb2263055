"""Quality: each use case's champion from the original data, by the protocols that results are known on.

Runs `servicio-ml etl` and `servicio-ml train` with their defaults in an empty state folder, takes the
champion's candidate and hyperparameters, and scores them by each protocol. The result is a Markdown table.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from benchmarks.quality import report
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score, roc_auc_score
from sklearn.model_selection import KFold, RepeatedStratifiedKFold, train_test_split

from servicio_ml import bootstrap, settings
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.features.artifact import load_artifact
from servicio_ml.lifecycle.published import read_manifest
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.training.calibrate import build_plain_output, find_best_f1_threshold
from servicio_ml.pipeline.training.dataset import build_problem, read_true_values
from servicio_ml.pipeline.training.fitting import TrainingProblem, compute_scores, fit
from servicio_ml.use_cases.catalogue import find, load_catalogue

Floats = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.intp]
Split = tuple[Rows, Rows]
THREADS = 2
EVEN_ODDS = 0.5
SPLITS = 10
COLUMNS = ("use case", "champion", "trained in", "protocol", "metric", "score", "bar", "reached")

SOURCES = {
    "rain_australia": "weatherAUS.csv",
    "employee_burn_rate": "enriched_employee_dataset.csv",
    "employee_burnout": "enriched_employee_dataset.csv",
    "heart_disease": "processed.cleveland.data",
    "vehicle_price": "Car details v3.csv",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """A champion with all labelled rows of its period."""

    version: ModelVersion
    made: TrainingProblem
    frame: pl.DataFrame
    training: pl.DataFrame
    holdout: pl.DataFrame
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How a result is measured, and the bars to reach: metric to its minimum (or maximum)."""

    use_case: str
    name: str
    bars: Mapping[str, float]
    measure: Callable[[Champion], Mapping[str, float]]


def list_splits(
    champion: Champion, pairs: Iterator[Split], metrics: Mapping[str, Callable[..., float]]
) -> dict[str, float]:
    """Mean of each metric over splits, of models fitted with the champion's hyperparameters."""
    made, use_case = champion.made, champion.made.use_case
    candidate = use_case.get_candidate(champion.version.tags["candidate"])
    params = json.loads(champion.version.tags["params"])
    found: dict[str, list[float]] = {name: [] for name in metrics}
    for train, test in pairs:
        raw = compute_scores(fit(made, candidate, params, train), made.matrix[test])
        answer = build_plain_output(made).transform(raw)
        score = answer.outcomes if answer.probabilities is None else answer.probabilities[:, -1]
        for name, metric in metrics.items():
            found[name].append(metric(made.truth[test], score, answer.outcomes))
    return {name: float(np.mean(values)) for name, values in found.items()}


def compute_auc(truth: Floats, score: Floats, _: Floats) -> float:
    return float(roc_auc_score(truth, score))


def compute_accuracy(truth: Floats, _: Floats, outcome: Floats) -> float:
    return float(accuracy_score(truth, outcome))


def compute_f1(truth: Floats, _: Floats, outcome: Floats) -> float:
    return float(f1_score(truth, outcome))


def compute_best_f1(truth: Floats, score: Floats, _: Floats) -> float:
    return float(f1_score(truth, score >= find_best_f1_threshold(truth, score)))


def compute_f1_macro(truth: Floats, _: Floats, outcome: Floats) -> float:
    return float(f1_score(truth, outcome, average="macro"))


def compute_r2(truth: Floats, _: Floats, outcome: Floats) -> float:
    return float(r2_score(truth, outcome))


def compute_mae(truth: Floats, _: Floats, outcome: Floats) -> float:
    return float(mean_absolute_error(truth, outcome))


def build_one_split(champion: Champion, share: float, seed: int) -> Iterator[Split]:
    train, test = train_test_split(np.arange(len(champion.made.matrix)), test_size=share, random_state=seed)
    yield train, test


def select_all_rows(champion: Champion) -> Rows:
    return np.arange(len(champion.made.matrix))


def complete_rows(champion: Champion) -> Rows:
    return np.flatnonzero(~np.isnan(champion.made.matrix).any(axis=1))


def build_stratified_folds(champion: Champion, rows: Rows) -> Iterator[Split]:
    """Ten splits 80/20 with the same shares of classes."""
    for seed in range(SPLITS):
        train, test = train_test_split(
            rows, test_size=0.2, random_state=seed, stratify=champion.made.truth[rows]
        )
        yield train, test


def evaluate_rain_random(champion: Champion) -> Mapping[str, float]:
    pairs = build_one_split(champion, 0.25, 1234)
    return list_splits(
        champion,
        pairs,
        {"AUC": compute_auc, "F1 at the best threshold": compute_best_f1, "accuracy": compute_accuracy},
    )


def evaluate_rain_by_date(champion: Champion) -> Mapping[str, float]:
    """The champion itself on its own holdout, which is that of the protocol."""
    model = load_artifact(champion.folder)
    truth = read_true_values(champion.made.use_case.target, champion.holdout)
    answer = model.predict(model.encoder.encode_frame(champion.holdout))
    if answer.probabilities is None:
        raise TypeError
    positive = answer.probabilities[:, 1]
    return {
        "AUC": compute_auc(truth, positive, answer.outcomes),
        "F1 at the best threshold": compute_best_f1(truth, positive, answer.outcomes),
        "F1 at its own threshold": compute_f1(truth, positive, answer.outcomes),
        "accuracy": compute_accuracy(truth, positive, (positive >= EVEN_ODDS).astype(float)),
    }


def evaluate_burn_rate(champion: Champion) -> Mapping[str, float]:
    folds = KFold(5, shuffle=True, random_state=42)
    return list_splits(champion, folds.split(champion.made.matrix), {"R²": compute_r2})


def evaluate_burn_rate_complete(champion: Champion) -> Mapping[str, float]:
    complete, folds = complete_rows(champion), KFold(5, shuffle=True, random_state=42)
    pairs = ((complete[train], complete[test]) for train, test in folds.split(complete))
    return list_splits(champion, pairs, {"R²": compute_r2})


def evaluate_burnout(champion: Champion) -> Mapping[str, float]:
    """Mean over ten splits: one alone is off by ±0.005, by its seed."""
    return list_splits(
        champion, build_stratified_folds(champion, select_all_rows(champion)), {"F1 macro": compute_f1_macro}
    )


def evaluate_burnout_complete(champion: Champion) -> Mapping[str, float]:
    return list_splits(
        champion, build_stratified_folds(champion, complete_rows(champion)), {"F1 macro": compute_f1_macro}
    )


def evaluate_cars(champion: Champion) -> Mapping[str, float]:
    return list_splits(
        champion, build_one_split(champion, 0.3, 42), {"R²": compute_r2, "MAE [INR]": compute_mae}
    )


def evaluate_cars_complete(champion: Champion) -> Mapping[str, float]:
    """Complete rows, as in the raw file after `dropna().drop_duplicates()`."""
    train, test = train_test_split(complete_rows(champion), test_size=0.3, random_state=42)
    return list_splits(champion, iter([(train, test)]), {"R²": compute_r2, "MAE [INR]": compute_mae})


def evaluate_heart(champion: Champion) -> Mapping[str, float]:
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=42)
    pairs = folds.split(champion.made.matrix, champion.made.truth)
    return list_splits(champion, pairs, {"AUC": compute_auc, "accuracy": compute_accuracy, "F1": compute_f1})


PROTOCOLS = (
    Protocol(
        use_case="rain_australia",
        name="random 75/25, seed 1234",
        measure=evaluate_rain_random,
        bars={"AUC": 0.9005, "F1 at the best threshold": 0.684, "accuracy": 0.8663},
    ),
    Protocol(
        use_case="rain_australia",
        name="train before 2015-11-10, test after",
        measure=evaluate_rain_by_date,
        bars={"AUC": 0.885, "F1 at the best threshold": 0.658, "accuracy": 0.856},
    ),
    Protocol(
        use_case="employee_burn_rate",
        name="5 folds, no leaking column",
        bars={"R²": 0.911},
        measure=evaluate_burn_rate,
    ),
    Protocol(
        use_case="employee_burn_rate",
        name="5 folds, no leaking column, complete rows",
        bars={"R²": 0.928},
        measure=evaluate_burn_rate_complete,
    ),
    Protocol(
        use_case="employee_burnout",
        name="80/20, no leaking column, mean of ten splits",
        bars={"F1 macro": 0.857},
        measure=evaluate_burnout,
    ),
    Protocol(
        use_case="employee_burnout",
        name="80/20, no leaking column, mean of ten splits, complete rows",
        bars={"F1 macro": 0.857},
        measure=evaluate_burnout_complete,
    ),
    Protocol(
        use_case="vehicle_price",
        name="deduplicated, 70/30, seed 42",
        measure=evaluate_cars,
        bars={"R²": 0.9028, "MAE [INR]": 71_549},
    ),
    Protocol(
        use_case="vehicle_price",
        name="deduplicated, 70/30, seed 42, complete rows",
        measure=evaluate_cars_complete,
        bars={"R²": 0.9028, "MAE [INR]": 71_549},
    ),
    Protocol(
        use_case="heart_disease",
        name="Cleveland, 10 × 10 folds",
        measure=evaluate_heart,
        bars={"AUC": 0.916, "accuracy": 0.846, "F1": 0.822},
    ),
)


def run(state: Path, *words: str) -> float:
    """Run a command of ours in a state folder and return its seconds."""
    started = time.monotonic()
    command = [str(Path(sys.executable).with_name("servicio-ml")), *words]
    subprocess.run(command, check=True, env={**os.environ, "SERVICIO_ML_STATE_DIR": str(state)})
    return time.monotonic() - started


def get_champion(name: str, state: Path) -> Champion:
    ports = settings.load_settings(state_dir=state)
    (_, registry), store, use_case = bootstrap.connect_mlflow(ports), bootstrap.open_lake(ports), find(name)
    version = registry.resolve(name, "champion")
    if version is None:
        raise SystemExit(f"{name} has no champion: its challenger was rejected")
    manifest = read_manifest(store, name)
    training, holdout = (read_split(store, manifest, part) for part in ("train", "test"))
    # in the order of the raw file, as the protocols split it
    frame = pl.concat([training, holdout]).sort("line")
    return Champion(
        version=version,
        made=build_problem(use_case, manifest.schema, frame, seed=1234, threads=THREADS),
        frame=frame,
        training=training,
        holdout=holdout,
        folder=registry.download(name, version.version),
    )


def measure_protocols(given: argparse.Namespace) -> None:
    """Measure each use case's champion by its protocols."""
    lines = report.MarkdownTable(given.output, *COLUMNS)
    for name in given.names or load_catalogue():
        with tempfile.TemporaryDirectory(prefix="quality-") as scratch:
            run(Path(scratch), "etl", name, "--source", str(given.data / SOURCES[name]))
            seconds = run(Path(scratch), "train", name)
            champion = get_champion(name, Path(scratch))
            for protocol in PROTOCOLS:
                if protocol.use_case == name:
                    add_lines(lines, protocol, champion, seconds)


def add_lines(lines: report.MarkdownTable, protocol: Protocol, champion: Champion, seconds: float) -> None:
    candidate = champion.version.tags["candidate"]
    for metric, value in protocol.measure(champion).items():
        bar = protocol.bars.get(metric)
        better = bar is None or (value <= bar if metric.startswith("MAE") else value >= bar)
        shown = ("–", "–") if bar is None else (f"{bar:.6g}", "yes" if better else "no")
        cells = (protocol.use_case, candidate, f"{seconds:.0f} s", protocol.name, metric, f"{value:.5g}")
        lines.add(*cells, *shown)
