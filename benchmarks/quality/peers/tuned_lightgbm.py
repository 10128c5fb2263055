"""LightGBM as a practitioner tunes it: categories as they are, Optuna over five folds, a time limit."""

import time
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from benchmarks.quality.split import Split, compute_metric
from sklearn.model_selection import KFold, StratifiedKFold

Floats = npt.NDArray[Any]
FOLDS, TREES, PATIENCE, SEED = 5, 2000, 50, 1234
OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}


def score_test_rows(split: Split, seconds: float, threads: int) -> Floats | list[str]:
    """Tune on the training rows; score the test rows: positive probabilities, labels or numbers."""
    train, test = build_frames(split)
    labels, truth = np.unique(split.read_truth("train"), return_inverse=True)
    if split.task == "regression":
        truth = split.read_truth("train").astype(float)
    folds = list(make_folds(split.task).split(train, truth))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=SEED))
    evaluate = build_objective(split, train, truth, folds, threads)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        study.optimize(evaluate, n_trials=1)
    params = {**study.best_params, "n_estimators": study.best_trial.user_attrs["trees"]}
    model = make_model(split.task, params, threads).fit(train, truth)
    if split.task == "regression":
        return np.asarray(model.predict(test))
    if split.task == "binary":
        return np.asarray(model.predict_proba(test))[:, list(labels).index(split.positive)]
    return [str(labels[int(code)]) for code in model.predict(test)]


def build_frames(split: Split) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The inputs of both sides, with texts as categories of the training rows; dates as days."""
    train, test = split.read_inputs("train"), split.read_inputs("test")
    for name in train.columns:
        if not pd.api.types.is_numeric_dtype(train[name]):
            levels = pd.CategoricalDtype(sorted(train[name].dropna().astype(str).unique()))
            train[name] = train[name].astype(str).astype(levels)
            test[name] = test[name].astype(str).astype(levels)
    # LightGBM refuses names with JSON's marks
    names = [f"column_{i}" for i in range(train.shape[1])]
    return train.set_axis(names, axis=1), test.set_axis(names, axis=1)


def make_folds(task: str) -> KFold | StratifiedKFold:
    kind = KFold if task == "regression" else StratifiedKFold
    return kind(FOLDS, shuffle=True, random_state=SEED)


def make_model(task: str, params: dict[str, Any], threads: int) -> Any:
    kind = lightgbm.LGBMRegressor if task == "regression" else lightgbm.LGBMClassifier
    return kind(
        objective=OBJECTIVES[task],
        subsample_freq=1,
        random_state=SEED,
        n_jobs=threads,
        verbosity=-1,
        **params,
    )


def build_objective(
    split: Split, train: pd.DataFrame, truth: Floats, folds: list[Any], threads: int
) -> Callable[[optuna.Trial], float]:
    def evaluate(trial: optuna.Trial) -> float:
        params = {
            "n_estimators": TREES,
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 4, 128, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 3, 100, log=True),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 0.01, 20.0, log=True),
        }
        values, trees = [], []
        for fitted, held in folds:
            model = make_model(split.task, params, threads)
            stop = lightgbm.early_stopping(PATIENCE, verbose=False)
            model.fit(
                train.iloc[fitted], truth[fitted],
                eval_X=train.iloc[held], eval_y=truth[held], callbacks=[stop],
            )  # fmt: skip
            values.append(evaluate_fold(split.task, model, train.iloc[held], truth[held]))
            trees.append(model.best_iteration_)
        trial.set_user_attr("trees", max(1, round(float(np.mean(trees)))))
        return float(np.mean(values))

    return evaluate


def evaluate_fold(task: str, model: Any, rows: pd.DataFrame, truth: Floats) -> float:
    scores = model.predict_proba(rows)[:, 1] if task == "binary" else model.predict(rows)
    return compute_metric(task, truth, scores)
