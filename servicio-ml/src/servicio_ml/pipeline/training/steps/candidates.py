"""Steps about every candidate: tuning it, then fitting and registering its best parameters."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial

from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.search import Candidate
from servicio_ml.pipeline.training.build_candidate import build_candidate
from servicio_ml.pipeline.training.candidate_result import CandidateResult
from servicio_ml.pipeline.training.run_recorder import CandidateStage
from servicio_ml.pipeline.training.session import TrainingSession
from servicio_ml.pipeline.training.tuning.study import count_finished, has_complete_trial
from servicio_ml.pipeline.training.tuning.tune import TuningBudget, tune

# the rest is kept for refining the winner
TUNING_TIME_SHARE = 0.75
"""Share of the time budget for tuning; the rest is for refining the winner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedCandidate:
    """What tuning a candidate left: finished trials, the best value of the study, the candidate's row."""

    trials: int
    value: float
    result: CandidateResult


def search_all(training: TrainingSession) -> None:
    """Tune every candidate in this process: a fair share of the time for each, then what is left of it."""
    plan, until = training.plan, time.monotonic() + training.plan.seconds * TUNING_TIME_SHARE
    waiting = [each for each in plan.tuned if training.get_result(build_tuned_stage(each.name)) is None]
    studies = {candidate.name: training.open_study(candidate.name) for candidate in waiting}
    for i, candidate in enumerate(waiting):
        fair = max(until - time.monotonic(), 0.0) / (len(waiting) - i)
        search_candidate(training, candidate, studies[candidate.name], plan.trials, fair)
    for candidate in waiting:
        # what the others did not need
        left, study = until - time.monotonic(), studies[candidate.name]
        if left > 0 and count_finished(study) < plan.trials:
            search_candidate(training, candidate, study, plan.trials, left)


def tune_one(training: TrainingSession, name: str) -> TunedCandidate:
    """Tune one candidate, beside other processes that do, and register its best.

    Raises:
        TrainingError: The plan has no such candidate, or no trial succeeded.
    """
    candidate, plan = training.get_candidate(name), training.plan
    if training.get_result(build_tuned_stage(name)) is None:
        fair = plan.seconds * TUNING_TIME_SHARE / len(plan.tuned)
        search_candidate(training, candidate, training.open_study(name), plan.trials, fair)
    row, study = fit_tuned(training, candidate), training.open_study(name)
    return TunedCandidate(trials=count_finished(study), value=study.best_value, result=row)


def fit_tuned(training: TrainingSession, candidate: Candidate) -> CandidateResult:
    """Fit, export, check and register the best of a candidate's study, once."""
    study = training.open_study(candidate.name)
    return fit_candidate(training, candidate, study.best_params, build_tuned_stage(candidate.name), study)


def search_candidate(
    training: TrainingSession,
    candidate: Candidate,
    study: Study,
    trials: int,
    seconds: float,
    what: str = "tune",
) -> None:
    metric = METRICS[training.use_case.metric]
    with training.ports.progress.open_bar(f"{what} {candidate.name}", total=trials) as advance:
        if before := count_finished(study):
            advance(before, "finished before")

        def on_trial(trial: FrozenTrial) -> None:
            training.record.record_trial(candidate.name, study.study_name, trial)
            advance(1, f"{metric.name} {study.best_value:.4f}" if has_complete_trial(study) else "")

        start = candidate.start if what == "refine" else training.plan.get_initial_params(candidate)
        budget = TuningBudget(trials=trials, seconds=seconds)
        tune(training.problem, candidate, study, budget, start=start, on_trial=on_trial)


def fit_candidate(
    training: TrainingSession,
    candidate: Candidate,
    params: Mapping[str, Any],
    stage: CandidateStage,
    study: Study | None,
) -> CandidateResult:
    """The row of a candidate's model, which is fitted and registered where it is not yet."""
    row = training.get_result(stage)
    if row is None:
        place = training.scratch / "artifacts" / f"{stage.candidate} {stage.name}"
        windows = training.score_unseen_rows(candidate, params)
        done = build_candidate(
            training.problem, training.test, candidate, params, place, training.source, windows
        )
        row = training.record.record_candidate(done, stage, study, training.test, training.until)
        if not row.eligible:
            training.ports.progress.warn(f"{candidate.name} is not eligible: {row.reason}")
    # set again on every pass: the process may have died between registering and this
    if row.version is not None:
        training.ports.registry.set_alias(training.use_case.name, candidate.name, row.version)
    training.save_result(stage, row)
    return row


def build_tuned_stage(name: str) -> CandidateStage:
    return CandidateStage(candidate=name, name="tuned")
