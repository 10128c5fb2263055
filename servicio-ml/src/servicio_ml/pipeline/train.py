"""Training: every candidate tuned and finished, the best refined, all registered, one named challenger."""

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.metric import METRICS, Metric
from servicio_ml.domain.ports import ModelVersion, Run
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.domain.search import Candidate, Parameter
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import TrainingError
from servicio_ml.pipeline.finish import Finished, finish
from servicio_ml.pipeline.fitting import Problem
from servicio_ml.pipeline.publish import read_part
from servicio_ml.pipeline.record import REFINE, Record, World, comparison_row
from servicio_ml.pipeline.rows import Holdout, holdout, problem, trained_until
from servicio_ml.pipeline.tune import Budget, any_complete, finished, narrowed, open_study, tune

STEP = "train"
SEED = 1234
REFINE_SHARE = 0.1
"""Numbers are varied by this share of their best value."""
TUNING_TIME_SHARE = 0.75
"""Of the time budget; the rest is for refining the winner."""
REFINE_TRIALS_PER_TRIAL = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to train.

    Attributes:
        candidates: To tune and compare.
        trials: Of each candidate.
        seconds: For tuning and refining all of them.
        start: Candidate to the parameters of its first trial.
        threads: That a model may use.
        force: Whether to train where nothing is new.
    """

    candidates: tuple[Candidate, ...]
    trials: int
    seconds: float
    threads: int
    start: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)
    force: bool = False

    def start_of(self, candidate: Candidate) -> dict[str, Parameter]:
        return {**candidate.start, **self.start.get(candidate.name, {})}


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


def fingerprint(use_case: UseCase, manifest: Manifest, plan: Plan) -> str:
    """SHA-256 of all that decides what training leaves: data, definition, plan and code version."""
    definition = (use_case.task, use_case.target, use_case.metric, use_case.split, manifest.schema)
    searched = [(candidate, plan.start_of(candidate)) for candidate in plan.candidates]
    parts = (manifest.digest, definition, searched, plan.trials, version("servicio-ml"))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def train(use_case: UseCase, manifest: Manifest, plan: Plan, world: World) -> Trained:
    """Tune, finish, compare, refine and register.

    A run with the same fingerprint that was killed is gone on with; one that is finished is left alone
    unless the plan forces it.

    Raises:
        TrainingError: No candidate may be promoted.
    """
    mark = fingerprint(use_case, manifest, plan)
    earlier = world.tracker.runs(use_case.name, {"step": STEP, "fingerprint": mark})
    done = [run for run in earlier if run.status == "FINISHED"]
    if done and not plan.force:
        world.progress.say(
            f"nothing new: data, definition and trials are those of run {done[0].id}; --force trains anyway"
        )
        return Trained(run_id=done[0].id, challenger=None, table=[])
    resume = next((run.id for run in earlier if run.status != "FINISHED"), "")
    if resume:
        world.progress.say(f"going on with run {resume}")
    tags = {"step": STEP, "fingerprint": mark, "period": manifest.period}
    with (
        world.tracker.run(use_case.name, f"train {manifest.period}", tags=tags, resume=resume) as run,
        tempfile.TemporaryDirectory(prefix="servicio-ml-") as scratch,
    ):
        return _Training(use_case, manifest, plan, world, run, Path(scratch)).go()


class _Training:
    """One training in progress."""

    def __init__(
        self, use_case: UseCase, manifest: Manifest, plan: Plan, world: World, run: Run, scratch: Path
    ) -> None:
        self.use_case, self.manifest, self.plan, self.world = use_case, manifest, plan, world
        self.run, self.scratch = run, scratch
        self.metric = METRICS[use_case.metric]
        self.record = Record(use_case, manifest, world, run, scratch)
        self.source = f"{use_case.name} {manifest.period} (digest {manifest.digest[:12]})"

    def go(self) -> Trained:
        rows = read_part(self.world.store, self.manifest, "train")
        tests = read_part(self.world.store, self.manifest, "test")
        schema, self.until = self.manifest.schema, trained_until(self.use_case, rows)
        self.problem: Problem = problem(self.use_case, schema, rows, seed=SEED, threads=self.plan.threads)
        self.test: Holdout = holdout(self.use_case, schema, tests)
        self.record.data(self.problem, self.test, trials=self.plan.trials, candidates=self.plan.candidates)
        found = self._finish_all(self._tune_all())
        best = winner(self.use_case, list(found.values()))
        found[best.candidate.name] = best = self._refine(best)
        return self._register(found, best)

    def _tune_all(self) -> dict[str, Mapping[str, Any]]:
        candidates, until = self.plan.candidates, time.monotonic() + self.plan.seconds * TUNING_TIME_SHARE
        studies = {candidate.name: self._study(candidate.name) for candidate in candidates}
        best: dict[str, Mapping[str, Any]] = {}
        for i, candidate in enumerate(candidates):
            fair = max(until - time.monotonic(), 0.0) / (len(candidates) - i)
            best[candidate.name] = self._tune(candidate, studies[candidate.name], self.plan.trials, fair)
        for candidate in candidates:
            # what the others did not need
            left, study = until - time.monotonic(), studies[candidate.name]
            if left > 0 and finished(study) < self.plan.trials:
                best[candidate.name] = self._tune(candidate, study, self.plan.trials, left)
        for name, study in studies.items():
            self.record.study(name, study)
        return best

    def _study(self, name: str) -> Study:
        study = f"{self.use_case.name}/{name}/{self.manifest.digest[:12]}"
        return open_study(self.world.study_url, study, self.use_case.metric, SEED)

    def _tune(self, candidate: Candidate, study: Study, trials: int, seconds: float) -> Mapping[str, Any]:
        start = self.plan.start_of(candidate)
        what = "refine" if REFINE in study.study_name else "tune"
        with self.world.progress.bar(f"{what} {candidate.name}", total=trials) as advance:
            if before := finished(study):
                advance(before, "finished before")

            def on_trial(trial: FrozenTrial) -> None:
                self.record.trial(candidate.name, study.study_name, trial)
                advance(1, f"{self.metric.name} {study.best_value:.4f}" if any_complete(study) else "")

            best = tune(
                self.problem, candidate, study, Budget(trials=trials, seconds=seconds),
                start=start, on_trial=on_trial,
            )  # fmt: skip
        return best.params

    def _finish_all(self, best: Mapping[str, Mapping[str, Any]]) -> dict[str, Finished]:
        found = {}
        with self.world.progress.bar(f"fit and export {self.use_case.name}", total=len(best)) as advance:
            for candidate in self.plan.candidates:
                found[candidate.name] = self._finish(candidate, best[candidate.name], candidate.name)
                advance(1, candidate.name)
        return found

    def _finish(self, candidate: Candidate, params: Mapping[str, Any], folder: str) -> Finished:
        place = self.scratch / "artifacts" / folder
        done = finish(self.problem, self.test, candidate, params, place, self.source)
        if not done.eligible:
            self.world.progress.warn(f"{candidate.name} is not eligible: {done.exported.reason}")
        return done

    def _refine(self, best: Finished) -> Finished:
        """The winner with its numbers varied a little, where that is better."""
        whole = self.use_case.candidate(best.candidate.name)
        near = narrowed(whole, best.params, REFINE_SHARE)
        # around another winner it is another study
        around = hashlib.sha256(json.dumps(dict(best.params), sort_keys=True).encode()).hexdigest()[:8]
        study = self._study(f"{best.candidate.name}{REFINE}{around}")
        trials = max(2, round(self.plan.trials * REFINE_TRIALS_PER_TRIAL))
        params = self._tune(near, study, trials, self.plan.seconds * (1 - TUNING_TIME_SHARE))
        self.record.study(best.candidate.name, study)
        if params == best.params:
            return best
        refined = self._finish(whole, params, f"{best.candidate.name}-refined")
        return max((best, refined), key=lambda each: (each.eligible, rank(self.metric, each)))

    def _register(self, found: Mapping[str, Finished], best: Finished) -> Trained:
        ranked = sorted(
            found.values(),
            key=lambda each: (each is best, each.eligible, rank(self.metric, each)),
            reverse=True,
        )
        versions = {
            each.candidate.name: self.record.candidate(each, self.test, self.until) for each in ranked
        }
        table = [comparison_row(each, versions[each.candidate.name]) for each in ranked]
        self.record.winner(best, self.test, table)
        challenger = versions[best.candidate.name]
        if challenger is None:
            raise TrainingError(self.use_case.name, f"{best.candidate.name} has no artifact")
        self.world.registry.point(self.use_case.name, CHALLENGER, challenger.version)
        return Trained(run_id=self.run.id, challenger=challenger, table=table)


def winner(use_case: UseCase, found: Sequence[Finished]) -> Finished:
    """The eligible candidate that comes first of those within one standard error of the best validation.

    The one-standard-error rule (Breiman, Friedman, Olshen and Stone 1984, section 3.4.3): on a few hundred
    rows the best of several is the luckiest. The use case names its candidates in order of preference.

    Raises:
        TrainingError: None is eligible; each is named with its reason.
    """
    metric = METRICS[use_case.metric]
    eligible = [each for each in found if each.eligible]
    if not eligible:
        reasons = "; ".join(f"{each.candidate.name} {each.exported.reason}" for each in found)
        raise TrainingError(use_case.name, f"no candidate may be promoted: {reasons}")
    best = max(eligible, key=lambda each: rank(metric, each))
    least = rank(metric, best) - best.validation_error
    return next(each for each in eligible if rank(metric, each) >= least)


def rank(metric: Metric, each: Finished) -> float:
    """The validation, greater is better."""
    return each.validation if metric.greater_is_better else -each.validation
