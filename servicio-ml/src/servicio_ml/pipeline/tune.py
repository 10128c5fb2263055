"""Tuning: one shared, resumable Optuna study per candidate."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Event
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
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
SURPLUS = "surplus"
"""Marks a trial that was refused."""
OTHERS_AT_ONCE = 3
PAUSE_SECONDS = 0.5
"""Between two looks at the trials of other processes."""
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)

OnTrial = Callable[[FrozenTrial], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What tuning may cost.

    Attributes:
        trials: Finished trials of the study, over all processes and restarts; there are never more.
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
    for _ in range(OTHERS_AT_ONCE):
        try:
            return _connected(url)
        except (SQLAlchemyError, StorageInternalError):
            # another process may be making the same tables
            Event().wait(PAUSE_SECONDS)
    return _connected(url)


def _connected(url: str) -> RDBStorage:
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
        _spend(study, _counted(_objective(problem, candidate), budget.trials), budget, on_trial)
        if not any_complete(study):
            raise TrainingError(
                candidate.name, "no trial succeeded; look at its failed trials and mend its space"
            )
        return study.best_trial


def _spend(
    study: optuna.Study, objective: Callable[[Trial], float], budget: Budget, on_trial: OnTrial
) -> None:
    """Make trials until the study has as many as the budget says, or the time is up."""

    def told(_: optuna.Study, trial: FrozenTrial) -> None:
        if SURPLUS not in trial.user_attrs:
            on_trial(trial)

    until, tried = time.monotonic() + budget.seconds, False
    while (done := finished(study)) < budget.trials:
        if time.monotonic() >= until and (tried or any_complete(study)):
            return
        if done + len(_with_state(study, TrialState.RUNNING)) < budget.trials:
            study.optimize(objective, n_trials=1, callbacks=[told], catch=(ValueError, ArithmeticError))
            tried = True
            continue
        # the last ones are in the hands of other processes: they end, or are given up when their process died
        Event().wait(PAUSE_SECONDS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(study)


def _counted(objective: Callable[[Trial], float], trials: int) -> Callable[[Trial], float]:
    """The objective, refused where another process has begun the last of the trials at the same moment."""

    def counted(trial: Trial) -> float:
        begun = _with_state(trial.study, *FINISHED, TrialState.RUNNING)
        if sum(each.number < trial.number for each in begun) >= trials:
            trial.set_user_attr(SURPLUS, trials)
            raise ValueError(f"it is one more than {trials}")
        return objective(trial)

    return counted


def any_complete(study: optuna.Study) -> bool:
    """Whether a trial has a value."""
    return bool(_with_state(study, TrialState.COMPLETE))


def finished(study: optuna.Study) -> int:
    """How many of its trials are finished."""
    return len(_with_state(study, *FINISHED))


def _with_state(study: optuna.Study, *states: TrialState) -> list[FrozenTrial]:
    return list(study.get_trials(deepcopy=False, states=states))


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
