"""Quality: each use case's champion from the original data, by the protocols that results are known on.

    python benchmarks/quality.py --data FOLDER [USE_CASE ...]

Runs `servicio-ml etl` and `servicio-ml train` with their defaults in an empty state folder, takes the
champion's candidate and hyperparameters, and scores them by each protocol. Prints a Markdown table.
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
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score, roc_auc_score
from sklearn.model_selection import KFold, RepeatedStratifiedKFold, train_test_split

from servicio_ml import bootstrap, settings
from servicio_ml.domain.ports import ModelVersion
from servicio_ml.domain.published import read_manifest
from servicio_ml.features.artifact import load_artifact
from servicio_ml.pipeline.calibrate import best_f1_threshold
from servicio_ml.pipeline.fitting import Problem, fit, scores
from servicio_ml.pipeline.publish import read_part
from servicio_ml.pipeline.rows import problem, true_values
from servicio_ml.pipeline.tune import plain_output
from servicio_ml.use_cases.catalogue import catalogue, find

Floats = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.intp]
Split = tuple[Rows, Rows]
THREADS = 2
EVEN_ODDS = 0.5
SPLITS = 10

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
    made: Problem
    frame: pl.DataFrame
    holdout: pl.DataFrame
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How a result is measured, and the bars to reach: metric to its least (or greatest) value."""

    use_case: str
    name: str
    bars: Mapping[str, float]
    measure: Callable[[Champion], Mapping[str, float]]


def splits(
    champion: Champion, pairs: Iterator[Split], metrics: Mapping[str, Callable[..., float]]
) -> dict[str, float]:
    """Mean of each metric over splits, of models fitted with the champion's hyperparameters."""
    made, use_case = champion.made, champion.made.use_case
    candidate = use_case.candidate(champion.version.tags["candidate"])
    params = json.loads(champion.version.tags["params"])
    found: dict[str, list[float]] = {name: [] for name in metrics}
    for train, test in pairs:
        raw = scores(fit(made, candidate, params, train), made.matrix[test])
        answer = plain_output(made).answer(raw)
        score = answer.outcomes if answer.probabilities is None else answer.probabilities[:, -1]
        for name, metric in metrics.items():
            found[name].append(metric(made.truth[test], score, answer.outcomes))
    return {name: float(np.mean(values)) for name, values in found.items()}


def auc(truth: Floats, score: Floats, _: Floats) -> float:
    return float(roc_auc_score(truth, score))


def accuracy(truth: Floats, _: Floats, outcome: Floats) -> float:
    return float(accuracy_score(truth, outcome))


def f1(truth: Floats, _: Floats, outcome: Floats) -> float:
    return float(f1_score(truth, outcome))


def f1_best(truth: Floats, score: Floats, _: Floats) -> float:
    return float(f1_score(truth, score >= best_f1_threshold(truth, score)))


def f1_macro(truth: Floats, _: Floats, outcome: Floats) -> float:
    return float(f1_score(truth, outcome, average="macro"))


def r2(truth: Floats, _: Floats, outcome: Floats) -> float:
    return float(r2_score(truth, outcome))


def mae(truth: Floats, _: Floats, outcome: Floats) -> float:
    return float(mean_absolute_error(truth, outcome))


def one_split(champion: Champion, share: float, seed: int) -> Iterator[Split]:
    train, test = train_test_split(np.arange(len(champion.made.matrix)), test_size=share, random_state=seed)
    yield train, test


def all_rows(champion: Champion) -> Rows:
    return np.arange(len(champion.made.matrix))


def complete_rows(champion: Champion) -> Rows:
    return np.flatnonzero(~np.isnan(champion.made.matrix).any(axis=1))


def stratified(champion: Champion, rows: Rows) -> Iterator[Split]:
    """Ten splits 80/20 with the same shares of classes."""
    for seed in range(SPLITS):
        train, test = train_test_split(
            rows, test_size=0.2, random_state=seed, stratify=champion.made.truth[rows]
        )
        yield train, test


def rain_random(champion: Champion) -> Mapping[str, float]:
    pairs = one_split(champion, 0.25, 1234)
    return splits(champion, pairs, {"AUC": auc, "F1 at the best threshold": f1_best, "accuracy": accuracy})


def rain_by_date(champion: Champion) -> Mapping[str, float]:
    """The champion itself on its own holdout, which is that of the protocol."""
    model = load_artifact(champion.folder)
    truth = true_values(champion.made.use_case.target, champion.holdout)
    answer = model.predict(model.encoder.frame(champion.holdout))
    if answer.probabilities is None:
        raise TypeError
    positive = answer.probabilities[:, 1]
    return {
        "AUC": auc(truth, positive, answer.outcomes),
        "F1 at the best threshold": f1_best(truth, positive, answer.outcomes),
        "F1 at its own threshold": f1(truth, positive, answer.outcomes),
        "accuracy": accuracy(truth, positive, (positive >= EVEN_ODDS).astype(float)),
    }


def burn_rate(champion: Champion) -> Mapping[str, float]:
    folds = KFold(5, shuffle=True, random_state=42)
    return splits(champion, folds.split(champion.made.matrix), {"R²": r2})


def burn_rate_complete(champion: Champion) -> Mapping[str, float]:
    complete, folds = complete_rows(champion), KFold(5, shuffle=True, random_state=42)
    pairs = ((complete[train], complete[test]) for train, test in folds.split(complete))
    return splits(champion, pairs, {"R²": r2})


def burnout(champion: Champion) -> Mapping[str, float]:
    """Mean over ten splits: one alone is off by ±0.005, by its seed."""
    return splits(champion, stratified(champion, all_rows(champion)), {"F1 macro": f1_macro})


def burnout_complete(champion: Champion) -> Mapping[str, float]:
    return splits(champion, stratified(champion, complete_rows(champion)), {"F1 macro": f1_macro})


def cars(champion: Champion) -> Mapping[str, float]:
    return splits(champion, one_split(champion, 0.3, 42), {"R²": r2, "MAE [INR]": mae})


def cars_complete(champion: Champion) -> Mapping[str, float]:
    """Complete rows, as in the raw file after `dropna().drop_duplicates()`."""
    train, test = train_test_split(complete_rows(champion), test_size=0.3, random_state=42)
    return splits(champion, iter([(train, test)]), {"R²": r2, "MAE [INR]": mae})


def heart(champion: Champion) -> Mapping[str, float]:
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=42)
    pairs = folds.split(champion.made.matrix, champion.made.truth)
    return splits(champion, pairs, {"AUC": auc, "accuracy": accuracy, "F1": f1})


PROTOCOLS = (
    Protocol(
        use_case="rain_australia", name="random 75/25, seed 1234", measure=rain_random,
        bars={"AUC": 0.9005, "F1 at the best threshold": 0.684, "accuracy": 0.8663},
    ),
    Protocol(
        use_case="rain_australia", name="train before 2015-11-10, test after", measure=rain_by_date,
        bars={"AUC": 0.885, "F1 at the best threshold": 0.658, "accuracy": 0.856},
    ),
    Protocol(
        use_case="employee_burn_rate", name="5 folds, no leaking column", bars={"R²": 0.911},
        measure=burn_rate,
    ),
    Protocol(
        use_case="employee_burn_rate", name="5 folds, no leaking column, complete rows", bars={"R²": 0.928},
        measure=burn_rate_complete,
    ),
    Protocol(
        use_case="employee_burnout", name="80/20, no leaking column, mean of ten splits",
        bars={"F1 macro": 0.857}, measure=burnout,
    ),
    Protocol(
        use_case="employee_burnout", name="80/20, no leaking column, mean of ten splits, complete rows",
        bars={"F1 macro": 0.857}, measure=burnout_complete,
    ),
    Protocol(
        use_case="vehicle_price", name="deduplicated, 70/30, seed 42", measure=cars,
        bars={"R²": 0.9028, "MAE [INR]": 71_549},
    ),
    Protocol(
        use_case="vehicle_price", name="deduplicated, 70/30, seed 42, complete rows", measure=cars_complete,
        bars={"R²": 0.9028, "MAE [INR]": 71_549},
    ),
    Protocol(
        use_case="heart_disease", name="Cleveland, 10 × 10 folds", measure=heart,
        bars={"AUC": 0.916, "accuracy": 0.846, "F1": 0.822},
    ),
)  # fmt: skip


def run(state: Path, *words: str) -> float:
    """Run a command of ours in a state folder and return its seconds."""
    begun = time.monotonic()
    command = [str(Path(sys.executable).with_name("servicio-ml")), *words]
    subprocess.run(command, check=True, env={**os.environ, "SERVICIO_ML_STATE_DIR": str(state)})
    return time.monotonic() - begun


def champion_of(name: str, state: Path) -> Champion:
    world = settings.load(state_dir=state)
    (_, registry), store, use_case = bootstrap.runs_and_models(world), bootstrap.lake(world), find(name)
    version = registry.resolve(name, "champion")
    if version is None:
        raise SystemExit(f"{name} has no champion: its challenger was rejected")
    manifest = read_manifest(store, name)
    holdout = read_part(store, manifest, "test")
    # in the order of the raw file, as the protocols split it
    frame = pl.concat([read_part(store, manifest, "train"), holdout]).sort("line")
    return Champion(
        version=version,
        made=problem(use_case, manifest.schema, frame, seed=1234, threads=THREADS),
        frame=frame,
        holdout=holdout,
        folder=registry.download(name, version.version),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the original files")
    parser.add_argument("use_cases", nargs="*", default=list(catalogue()), help="all when none is named")
    chosen = parser.parse_args()
    rows = []
    for name in chosen.use_cases:
        with tempfile.TemporaryDirectory(prefix="quality-") as scratch:
            run(Path(scratch), "etl", name, "--source", str(chosen.data / SOURCES[name]))
            seconds = run(Path(scratch), "train", name)
            champion = champion_of(name, Path(scratch))
            for protocol in PROTOCOLS:
                if protocol.use_case == name:
                    rows += list(lines(protocol, champion, seconds))
    print("\n| use case | champion | trained in | protocol | metric | score | bar | reached |")
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))


def lines(protocol: Protocol, champion: Champion, seconds: float) -> Iterator[str]:
    candidate = champion.version.tags["candidate"]
    for metric, value in protocol.measure(champion).items():
        bar = protocol.bars.get(metric)
        better = bar is None or (value <= bar if metric.startswith("MAE") else value >= bar)
        shown = ("–", "–") if bar is None else (f"{bar:.6g}", "yes" if better else "no")
        cells = (
            protocol.use_case,
            candidate,
            f"{seconds:.0f} s",
            protocol.name,
            metric,
            f"{value:.5g}",
            *shown,
        )
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
