"""Tuning: one shared, resumable Optuna study per candidate."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.search import Candidate, Choice, Integer, Parameter, Range
from servicio_ml.errors import TrainingError
from servicio_ml.features.output import Output
from servicio_ml.pipeline.evaluate import score
from servicio_ml.pipeline.fitting import Problem, fit, sampled, scores

HEARTBEAT_SECONDS = 10
GRACE_SECONDS = 30
RETRIES = 2
LOCK_SECONDS = 60
STARTUP_TRIALS = 4
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)

OnTrial = Callable[[FrozenTrial], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What tuning may cost.

    Attributes:
        trials: Finished trials of the study, over all processes and restarts.
        seconds: Of this call; a trial that has begun is finished, and one is always made.
    """

    trials: int
    seconds: float


def open_study(url: str, name: str, metric: str, seed: int) -> optuna.Study:
    """A study that every process with this address and name shares.

    Raises:
        TrainingError: The database cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _told(name):
        study = optuna.create_study(
            study_name=name,
            storage=_storage(url),
            direction="maximize" if METRICS[metric].greater_is_better else "minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
            load_if_exists=True,
        )
        # a resumed study must not draw its first points again
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + len(study.trials), n_startup_trials=STARTUP_TRIALS, constant_liar=True
        )
    return study


@contextmanager
def _told(study: str) -> Iterator[None]:
    """Turn the errors of the study database into ours."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError, ImportError) as error:
        first = str(error.__cause__ or error).splitlines()[0]
        raise TrainingError(
            study, f"study database: {first}; check SERVICIO_ML_STUDY_URL and the disk, then run this again"
        ) from error


@cache
def _storage(url: str) -> RDBStorage:
    with warnings.catch_warnings():
        # heartbeats are what finds the trials of a killed process
        warnings.simplefilter("ignore", ExperimentalWarning)
        return RDBStorage(
            url,
            engine_kwargs={"connect_args": {"timeout": LOCK_SECONDS}} if url.startswith("sqlite") else None,
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=RETRIES),
        )


def tune(
    problem: Problem,
    candidate: Candidate,
    study: optuna.Study,
    budget: Budget,
    *,
    start: Mapping[str, Parameter],
    on_trial: OnTrial,
) -> FrozenTrial:
    """Spend a budget on a study and return its best trial.

    Args:
        problem: The training rows.
        candidate: With its search space.
        study: From `open_study`; finished trials in it count.
        budget: Trials and seconds.
        start: Parameters of the first trial.
        on_trial: Called after each trial that this call finishes.

    Raises:
        TrainingError: No trial succeeded.
    """
    with _told(study.study_name):
        if start:
            study.enqueue_trial({**start}, skip_if_exists=True)
        objective = _objective(problem, candidate)
        begun = time.monotonic()

        def spend(trials: int | None, seconds: float) -> None:
            study.optimize(
                objective,
                n_trials=trials,
                timeout=seconds,
                callbacks=[
                    MaxTrialsCallback(budget.trials, states=FINISHED),
                    lambda _, trial: on_trial(trial),
                ],
                catch=(ValueError, ArithmeticError),
            )

        if not any_complete(study):
            spend(1, math.inf)
        left = budget.seconds - (time.monotonic() - begun)
        if finished(study) < budget.trials and left > 0:
            spend(None, left)
        if not any_complete(study):
            raise TrainingError(
                candidate.name, "no trial succeeded; look at its failed trials and mend its space"
            )
        return study.best_trial


def any_complete(study: optuna.Study) -> bool:
    """Whether a trial has a value."""
    return bool(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def finished(study: optuna.Study) -> int:
    """How many of its trials are finished."""
    return len(study.get_trials(deepcopy=False, states=FINISHED))


def _objective(problem: Problem, candidate: Candidate) -> Callable[[Trial], float]:
    metric = problem.use_case.metric

    def objective(trial: Trial) -> float:
        params = {name: _suggest(trial, name, space) for name, space in candidate.space.items()}
        values: list[float] = []
        for step, (train, valid) in enumerate(problem.folds):
            rows = sampled(train, candidate.tuning_rows, problem.setting.seed)
            raw = scores(fit(problem, candidate, params, rows), problem.matrix[valid])
            values.append(score(metric, problem.truth[valid], plain_output(problem).answer(raw)))
            trial.report(float(np.mean(values)), step)
            if step < len(problem.folds) - 1 and trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(values))

    return objective


def plain_output(problem: Problem) -> Output:
    """The answer of raw scores, uncalibrated, at even odds."""
    target = problem.use_case.target
    return Output(task=problem.use_case.task, labels=target.labels, log=target.log)


def narrowed(candidate: Candidate, best: Mapping[str, Any], share: float) -> Candidate:
    """The candidate with each number within `share` of its best value, everything else fixed there.

    Args:
        candidate: With its whole space.
        best: Parameter to its best value.
        share: 0.1 is ten per cent to either side, within the whole space.
    """
    space: dict[str, Range] = {}
    for name, value in best.items():
        whole = candidate.space[name]
        if isinstance(whole, Integer):
            reach = max(1, round(abs(value) * share))
            space[name] = Integer(low=max(whole.low, value - reach), high=min(whole.high, value + reach))
        elif isinstance(whole, Choice):
            space[name] = Choice(options=(value,))
        else:
            reach = abs(value) * share
            space[name] = type(whole)(low=max(whole.low, value - reach), high=min(whole.high, value + reach))
    return Candidate(
        name=candidate.name, family=candidate.family, space=space, start=best, fixed=candidate.fixed,
        tuning_rows=candidate.tuning_rows, max_latency_seconds=candidate.max_latency_seconds,
    )  # fmt: skip


def _suggest(trial: Trial, name: str, space: Range) -> Any:
    if isinstance(space, Integer):
        return trial.suggest_int(name, space.low, space.high, log=space.log)
    if isinstance(space, Choice):
        return trial.suggest_categorical(name, space.options)
    return trial.suggest_float(name, space.low, space.high, log=space.log)
