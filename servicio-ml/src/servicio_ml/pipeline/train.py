"""Training in steps: every candidate tuned and registered, the best refined, one named challenger.

Each step finds what the others left in the parent run and in the studies, so that it may run in a process of
its own, be killed and run again.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.ports import ModelVersion, Tracker
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import TrainingError
from servicio_ml.features.artifact import downloaded, load_artifact
from servicio_ml.pipeline.finish import finish
from servicio_ml.pipeline.record import TRAIN_RUN, Stage, World
from servicio_ml.pipeline.standing import Standing, rank, winner
from servicio_ml.pipeline.training import (
    CHALLENGER_VERSION,
    FINISHED,
    REFINED,
    WINNER,
    Plan,
    Training,
    begin,
    opened,
)
from servicio_ml.pipeline.tune import Budget, any_complete, finished, narrowed, tune

REFINE_SHARE = 0.1
"""Numbers are varied by this share of their best value."""
TUNING_TIME_SHARE = 0.75
"""Of the time budget; the rest is for refining the winner."""
REFINE_TRIALS_PER_TRIAL = 0.5
DECISION = "decision"


Decide = Callable[[ModelVersion, Sequence[Mapping[str, Any]]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What tuning a candidate left: finished trials, the best value of the study, the candidate's row."""

    trials: int
    value: float
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """What refining the winner left.

    Attributes:
        trials: Finished ones.
        value: The best.
        params: Of the best.
        better: Whether they are others than the winner's own.
    """

    trials: int
    value: float
    params: Mapping[str, Any]
    better: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training left.

    Attributes:
        run_id: The parent run.
        challenger: The version named challenger; None where nothing was new.
        table: One row per candidate, the winner first, then by validation.
    """

    run_id: str
    challenger: ModelVersion | None
    table: Sequence[Mapping[str, Any]]


def train(
    use_case: UseCase,
    manifest: Manifest,
    plan: Plan,
    world: World,
    decide: Decide = lambda *_: "",
) -> Trained:
    """Every step one after the other.

    Args:
        use_case: Whose models.
        manifest: Of the data.
        plan: What to train.
        world: The ports.
        decide: Called with the challenger and the table before the run is closed, for what is decided; not
            called where nothing was new.

    Raises:
        TrainingError: No candidate may be promoted.
    """
    begun = begin(use_case, manifest, plan, world)
    if not begun.new:
        return Trained(run_id=begun.run_id, challenger=None, table=[])
    with opened(use_case, begun.run_id, world, plan.threads) as training:
        search_all(training)
        with world.progress.bar(f"fit and export {use_case.name}", total=len(plan.candidates)) as advance:
            for candidate in plan.candidates:
                fit_tuned(training, candidate)
                advance(1, candidate.name)
        select(training)
        refine(training)
        challenger, rows = export(training), table(training)
        decision = decide(challenger, rows)
    close(use_case, begun.run_id, world, decision)
    return Trained(run_id=begun.run_id, challenger=challenger, table=rows)


def search_all(training: Training) -> None:
    """Tune every candidate in this process: a fair share of the time for each, then what is left of it."""
    plan, until = training.plan, time.monotonic() + training.plan.seconds * TUNING_TIME_SHARE
    waiting = [each for each in plan.candidates if training.standing(_tuned(each.name)) is None]
    studies = {candidate.name: training.study(candidate.name) for candidate in waiting}
    for i, candidate in enumerate(waiting):
        fair = max(until - time.monotonic(), 0.0) / (len(waiting) - i)
        _search(training, candidate, studies[candidate.name], plan.trials, fair)
    for candidate in waiting:
        # what the others did not need
        left, study = until - time.monotonic(), studies[candidate.name]
        if left > 0 and finished(study) < plan.trials:
            _search(training, candidate, study, plan.trials, left)


def tune_one(training: Training, name: str) -> Tuned:
    """Tune one candidate, beside other processes that do, and register its best.

    Raises:
        TrainingError: The plan has no such candidate, or no trial succeeded.
    """
    candidate, plan = training.candidate(name), training.plan
    if training.standing(_tuned(name)) is None:
        fair = plan.seconds * TUNING_TIME_SHARE / len(plan.candidates)
        _search(training, candidate, training.study(name), plan.trials, fair)
    row, study = fit_tuned(training, candidate), training.study(name)
    return Tuned(trials=finished(study), value=study.best_value, standing=row)


def fit_tuned(training: Training, candidate: Candidate) -> Standing:
    """Fit, export, check and register the best of a candidate's study, once."""
    study = training.study(candidate.name)
    return _fit(training, candidate, study.best_params, _tuned(candidate.name), study)


def select(training: Training) -> Standing:
    """The winner by the one-standard-error rule.

    Raises:
        TrainingError: A candidate is not tuned yet, or none is eligible.
    """
    best = winner(training.use_case, _tuned_rows(training))
    training.run.tags({WINNER: best.candidate})
    return best


def refine(training: Training) -> Refined:
    """Vary the winner's numbers a little.

    Raises:
        TrainingError: There is no winner yet.
    """
    if earlier := training.tag(REFINED):
        return Refined(**json.loads(earlier))
    best = _winner(training)
    near = narrowed(training.use_case.candidate(best.candidate), best.params, REFINE_SHARE)
    study, trials = _refining(training, best), max(2, round(training.plan.trials * REFINE_TRIALS_PER_TRIAL))
    _search(training, near, study, trials, training.plan.seconds * (1 - TUNING_TIME_SHARE), what="refine")
    training.record.refining(best, study)
    found = Refined(
        trials=finished(study), value=study.best_value, params=study.best_params,
        better=study.best_params != best.params,
    )  # fmt: skip
    training.run.tags({REFINED: json.dumps(asdict(found))})
    return found


def export(training: Training) -> ModelVersion:
    """Fit and register the refined winner where it is better, and name the better of both challenger.

    Raises:
        TrainingError: There is no winner yet, or it has no artifact.
    """
    registry, name = training.world.registry, training.use_case.name
    if training.tag(CHALLENGER_VERSION):
        return challenger_of(training)
    best = _best(training, _fit_refined(training))
    if best.version is None:
        raise TrainingError(name, f"{best.candidate} has no artifact")
    with downloaded(registry, name, best.version) as folder:
        rows = _table(training, best)
        training.record.winner(best, load_artifact(folder), training.problem.matrix, training.test, rows)
    registry.point(name, best.candidate, best.version)
    registry.point(name, CHALLENGER, best.version)
    training.run.tags({CHALLENGER_VERSION: str(best.version)})
    return registry.version(name, best.version)


def challenger_of(training: Training) -> ModelVersion:
    """The version that the step `export` has named challenger.

    Raises:
        TrainingError: It has not yet.
    """
    version = training.tag(CHALLENGER_VERSION)
    if not version:
        problem = f"run {training.run.id} has no challenger; run step export"
        raise TrainingError(training.use_case.name, problem)
    return training.world.registry.version(training.use_case.name, int(version))


def table(training: Training) -> list[dict[str, Any]]:
    """One row per candidate, the winner first, then by validation."""
    refined = training.standing(_refined(_winner(training).candidate))
    return [row.to_json() for row in _table(training, _best(training, refined))]


def close(use_case: UseCase, run_id: str, world: World, decision: str = "") -> bool:
    """End the parent run, and delete what killed processes left of its fits; False where it was ended before.

    Args:
        use_case: Whose training.
        run_id: The parent run.
        world: The ports.
        decision: What was decided about its challenger; empty where nothing was.
    """
    found = world.tracker.find(run_id)
    if found.status == FINISHED:
        return False
    for step in ("fit", "trial"):
        for left in world.tracker.runs(use_case.name, {"step": step, TRAIN_RUN: run_id}):
            if left.status != FINISHED:
                world.tracker.delete(left.id)
    with world.tracker.run(use_case.name, found.name, resume=run_id) as run:
        if decision:
            run.tags({DECISION: decision})
    return True


def give_up(use_case: UseCase, run_id: str, tracker: Tracker) -> None:
    """Mark the run of a training as failed, unless it is finished; it may be gone on with."""
    found = tracker.find(run_id)
    if found.status == FINISHED:
        return
    with suppress(TrainingError), tracker.run(use_case.name, found.name, resume=run_id):
        raise TrainingError(use_case.name, "given up")


def _search(
    training: Training, candidate: Candidate, study: Study, trials: int, seconds: float, what: str = "tune"
) -> None:
    metric = METRICS[training.use_case.metric]
    with training.world.progress.bar(f"{what} {candidate.name}", total=trials) as advance:
        if before := finished(study):
            advance(before, "finished before")

        def on_trial(trial: FrozenTrial) -> None:
            training.record.trial(candidate.name, study.study_name, trial)
            advance(1, f"{metric.name} {study.best_value:.4f}" if any_complete(study) else "")

        start = candidate.start if what == "refine" else training.plan.start_of(candidate)
        budget = Budget(trials=trials, seconds=seconds)
        tune(training.problem, candidate, study, budget, start=start, on_trial=on_trial)


def _fit(
    training: Training, candidate: Candidate, params: Mapping[str, Any], stage: Stage, study: Study
) -> Standing:
    """The row of a candidate's model, which is fitted and registered where it is not yet."""
    row = training.standing(stage)
    if row is None:
        place = training.scratch / "artifacts" / f"{stage.candidate} {stage.name}"
        done = finish(training.problem, training.test, candidate, params, place, training.source)
        row = training.record.candidate(done, stage, study, training.test, training.until)
        if not row.eligible:
            training.world.progress.warn(f"{candidate.name} is not eligible: {row.reason}")
    if row.version is not None:
        training.world.registry.point(training.use_case.name, candidate.name, row.version)
    training.keep(stage, row)
    return row


def _fit_refined(training: Training) -> Standing | None:
    best, found = _winner(training), refine(training)
    if not found.better:
        return None
    whole = training.use_case.candidate(best.candidate)
    return _fit(training, whole, found.params, _refined(best.candidate), _refining(training, best))


def _refining(training: Training, best: Standing) -> Study:
    """The study around a winner; around another one it is another study."""
    around = hashlib.sha256(json.dumps(dict(best.params), sort_keys=True).encode()).hexdigest()[:8]
    return training.study(f"{best.candidate}/refine/{around}")


def _best(training: Training, refined: Standing | None) -> Standing:
    both = (_winner(training), *([refined] if refined else []))
    return max(both, key=lambda each: (each.eligible, rank(training.use_case, each)))


def _table(training: Training, best: Standing) -> list[Standing]:
    rows = [best if each.candidate == best.candidate else each for each in _tuned_rows(training)]
    return sorted(
        rows,
        key=lambda each: (each is best, each.eligible, rank(training.use_case, each)),
        reverse=True,
    )


def _winner(training: Training) -> Standing:
    name = training.tag(WINNER)
    row = training.standing(_tuned(name)) if name else None
    if row is None:
        raise TrainingError(training.use_case.name, f"run {training.run.id} has no winner; run step select")
    return row


def _tuned_rows(training: Training) -> list[Standing]:
    found = {name: training.standing(_tuned(name)) for name in training.plan.names}
    if missing := [name for name, row in found.items() if row is None]:
        problem = f"{', '.join(missing)}: not tuned in run {training.run.id}; run step tune"
        raise TrainingError(training.use_case.name, problem)
    return [row for row in found.values() if row is not None]


def _tuned(name: str) -> Stage:
    return Stage(candidate=name, name="tuned")


def _refined(name: str) -> Stage:
    return Stage(candidate=name, name="refined")
