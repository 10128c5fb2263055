"""Tuning: trials of one candidate within a budget."""

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, Trial, TrialState

from servicio_ml.domain.search import Candidate, Parameter
from servicio_ml.errors import TrainingError
from servicio_ml.pipeline.evaluate import compute_metric
from servicio_ml.pipeline.training.calibrate import build_plain_output
from servicio_ml.pipeline.training.fitting import TrainingProblem, compute_scores, fit, sample_rows
from servicio_ml.pipeline.training.tuning.search_space import suggest_value
from servicio_ml.pipeline.training.tuning.study import (
    FINISHED,
    PAUSE_SECONDS,
    count_finished,
    has_complete_trial,
    list_trials,
    translate_errors,
)

SURPLUS = "surplus"
"""Marks a trial that was refused."""
OnTrial = Callable[[FrozenTrial], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningBudget:
    """What tuning may cost.

    Attributes:
        trials: Finished trials of the study, over all processes and restarts; there are never more.
        seconds: Time limit of this call; a started trial is finished, and at least one is run.
    """

    trials: int
    seconds: float


def tune(
    problem: TrainingProblem,
    candidate: Candidate,
    study: optuna.Study,
    budget: TuningBudget,
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
    with translate_errors(study.study_name):
        # enqueued only once: other processes share the study
        if start:
            study.enqueue_trial({**start}, skip_if_exists=True)
        _run_trials(
            study, _limit_trials(_build_objective(problem, candidate), budget.trials), budget, on_trial
        )
        if not has_complete_trial(study):
            raise TrainingError(
                candidate.name, "no trial succeeded; look at its failed trials and mend its space"
            )
        return study.best_trial


def _run_trials(
    study: optuna.Study, objective: Callable[[Trial], float], budget: TuningBudget, on_trial: OnTrial
) -> None:
    """Make trials until the study has as many as the budget says, or the time is up."""

    def report_trial(_: optuna.Study, trial: FrozenTrial) -> None:
        if SURPLUS not in trial.user_attrs:
            on_trial(trial)

    until, tried = time.monotonic() + budget.seconds, False
    while (done := count_finished(study)) < budget.trials:
        if time.monotonic() >= until and (tried or has_complete_trial(study)):
            return
        if done + len(list_trials(study, TrialState.RUNNING)) < budget.trials:
            study.optimize(
                objective, n_trials=1, callbacks=[report_trial], catch=(ValueError, ArithmeticError)
            )
            tried = True
            continue
        # the last ones are in the hands of other processes: they end, or are given up when their process died
        Event().wait(PAUSE_SECONDS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(study)


def _limit_trials(objective: Callable[[Trial], float], trials: int) -> Callable[[Trial], float]:
    """The objective, refused where another process has started the last of the trials at the same moment."""

    def run_limited(trial: Trial) -> float:
        started = list_trials(trial.study, *FINISHED, TrialState.RUNNING)
        if sum(each.number < trial.number for each in started) >= trials:
            trial.set_user_attr(SURPLUS, trials)
            raise ValueError(f"it is one more than {trials}")
        return objective(trial)

    return run_limited


def _build_objective(problem: TrainingProblem, candidate: Candidate) -> Callable[[Trial], float]:
    metric = problem.use_case.metric

    def evaluate_trial(trial: Trial) -> float:
        params = {name: suggest_value(trial, name, space) for name, space in candidate.space.items()}
        values: list[float] = []
        for step, (train, valid) in enumerate(problem.folds):
            rows = sample_rows(train, candidate.tuning_rows, problem.setting.seed)
            unseen = problem.encode_unseen_rows(valid, rows)
            raw = compute_scores(fit(problem, candidate, params, rows), unseen)
            predictions, weights = build_plain_output(problem).transform(raw), problem.get_weights(valid)
            values.append(compute_metric(metric, problem.truth[valid], predictions, weights))
            # the running mean, so that the pruner compares trials at the same fold
            trial.report(float(np.mean(values)), step)
            # after the last fold the value is complete, and pruning would discard it
            if step < len(problem.folds) - 1 and trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(values))

    return evaluate_trial
