"""One training in progress: what its run holds, and its data once a step asks for them."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from optuna import Study

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports.tracker import FinishedRun, Run
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import TrainingError
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.training.candidate_result import CandidateResult
from servicio_ml.pipeline.training.dataset import (
    Holdout,
    build_holdout,
    build_problem,
    check_training_rows,
    find_last_training_day,
)
from servicio_ml.pipeline.training.fitting import SEED, Floats, Rows, TrainingProblem, score_out_of_fold
from servicio_ml.pipeline.training.plan import (
    TrainingPlan,
    build_plan_document,
    compute_fingerprint,
    compute_study_digest,
)
from servicio_ml.pipeline.training.run_recorder import (
    CandidateStage,
    RunRecorder,
    TrainingPorts,
    read_candidate_result,
)
from servicio_ml.pipeline.training.tuning.study import open_study

STEP = "train"
FINISHED = "FINISHED"
PLAN = "plan.json"
WINNER, REFINED, CHALLENGER_VERSION = "winner", "refined", "challenger"
"""Tags of the parent run that pass on what a step has found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedRun:
    """A training's parent run; not `new` where one with nothing else to find is finished already."""

    run_id: str
    new: bool


def start_training(
    use_case: UseCase, manifest: Manifest, plan: TrainingPlan, ports: TrainingPorts
) -> StartedRun:
    """Open the parent run of a training, or find it.

    A run with the same fingerprint that is not finished is gone on with; one that is finished is left alone
    unless the plan forces it.

    Raises:
        TrainingError: The period has too few rows, of a class or altogether.
        StoreError: The period's files are missing or damaged.
    """
    mark = compute_fingerprint(use_case, manifest, plan)
    earlier = ports.tracker.find_runs(use_case.name, {"step": STEP, "fingerprint": mark})
    done = [run for run in earlier if run.status == FINISHED]
    if done and not plan.force:
        ports.progress.report(
            f"nothing new: data, definition and trials are those of run {done[0].id}; --force trains anyway"
        )
        return StartedRun(run_id=done[0].id, new=False)
    # before the run is opened: a training that cannot succeed shall not last an hour, nor leave a run
    check_training_rows(
        use_case,
        manifest,
        read_split(ports.store, manifest, "train"),
        read_split(ports.store, manifest, "test"),
    )
    # an unfinished run with the same inputs is continued instead of starting again
    resume = next((run.id for run in earlier if run.status != FINISHED), "")
    if resume:
        ports.progress.report(f"resuming run {resume}")
    tags = {"step": STEP, "fingerprint": mark, "period": manifest.period}
    name = f"train {manifest.period}"
    with (
        ports.tracker.open_run(use_case.name, name, tags=tags, resume=resume, stays=True) as run,
        tempfile.TemporaryDirectory(prefix="servicio-ml-") as scratch,
    ):
        RunRecorder(use_case, manifest, ports, run, Path(scratch)).record_data(plan.trials, plan.names)
        path = Path(scratch) / PLAN
        path.write_text(json.dumps(build_plan_document(manifest, plan), indent=1))
        run.log_artifact(path)
        return StartedRun(run_id=run.id, new=True)


class TrainingSession:
    """One training in progress.

    Args:
        use_case: Use case of the training.
        manifest: Manifest of the training data.
        plan: Plan that the training was started with.
        ports: Ports of the training.
        run: Its parent run.
        scratch: A folder that goes with this process.
    """

    def __init__(
        self,
        use_case: UseCase,
        manifest: Manifest,
        plan: TrainingPlan,
        ports: TrainingPorts,
        run: Run,
        scratch: Path,
    ) -> None:
        self.use_case, self.manifest, self.plan, self.ports = use_case, manifest, plan, ports
        self.run, self.scratch = run, scratch
        self.record = RunRecorder(use_case, manifest, ports, run, scratch)
        # kept, since a blend weighs the same scores that its members were calibrated with
        self._windows: dict[str, list[tuple[Rows, Floats]]] = {}
        self.source = f"{use_case.name} {manifest.period} (digest {manifest.digest[:12]})"

    @cached_property
    def _rows(self) -> pl.DataFrame:
        return read_split(self.ports.store, self.manifest, "train")

    @cached_property
    def problem(self) -> TrainingProblem:
        schema, threads = self.manifest.schema, self.plan.threads
        return build_problem(self.use_case, schema, self._rows, seed=SEED, threads=threads)

    @cached_property
    def test(self) -> Holdout:
        tests = read_split(self.ports.store, self.manifest, "test")
        # the schema of the problem has the tables that are fitted on its rows
        return build_holdout(self.use_case, self.problem.setting.schema, tests)

    @property
    def until(self) -> str:
        return find_last_training_day(self.use_case, self._rows)

    def score_unseen_rows(self, candidate: Candidate, params: Mapping[str, Any]) -> list[tuple[Rows, Floats]]:
        """Score the rows of each window by models that have not seen them, once for the same parameters."""
        key = json.dumps([candidate.name, dict(params)], sort_keys=True)
        if key not in self._windows:
            self._windows[key] = score_out_of_fold(self.problem, candidate, params)
        return self._windows[key]

    def open_study(self, name: str) -> Study:
        """The shared study of a candidate, or of a winner's neighbourhood."""
        # a study around a winner is named after its candidate
        candidate = self.use_case.get_candidate(name.partition("/")[0])
        # the digest separates studies of different data or definitions under the same name
        digest = compute_study_digest(self.use_case, self.manifest, candidate)
        study = f"{self.use_case.name}/{name}/{digest}"
        return open_study(self.ports.study_url, study, self.use_case.metric, SEED)

    def get_tag(self, name: str) -> str:
        """What a step has left in the parent run; empty where it has not come so far."""
        return self.ports.tracker.get_run(self.run.id).tags.get(name, "")

    def get_candidate(self, name: str) -> Candidate:
        """A candidate of the plan.

        Raises:
            TrainingError: The plan has none of that name.
        """
        for candidate in self.plan.candidates:
            if candidate.name == name:
                return candidate
        names = ", ".join(self.plan.names)
        raise TrainingError(
            self.use_case.name, f"run {self.run.id} has no candidate {name!r}; candidates are {names}"
        )

    def get_result(self, stage: CandidateStage) -> CandidateResult | None:
        """The row of a candidate's model, None where it is not finished."""
        if text := self.get_tag(_build_key(stage)):
            return CandidateResult.from_tag(text)
        # its process was killed between registering it and saying so
        made = self.record.find_registered(stage)
        return read_candidate_result(made) if made else None

    def save_result(self, stage: CandidateStage, row: CandidateResult) -> None:
        """Keep a row with the parent run, for the steps that follow."""
        self.run.set_tags({_build_key(stage): row.to_tag()})


@contextmanager
def open_training(
    use_case: UseCase, run_id: str, ports: TrainingPorts, threads: int
) -> Iterator[TrainingSession]:
    """Open a training that this process or another has started.

    Its run goes on when the context ends, unless it was finished before.

    Raises:
        RegistryError: There is no such run.
        TrainingError: The run is no training of the use case.
    """
    found = ports.tracker.get_run(run_id)
    # from the run and not from the lake: the step trains on the data it was planned for
    manifest, plan = _read_training(use_case, found, ports, threads)
    with (
        ports.tracker.open_run(
            use_case.name, found.name, resume=run_id, stays=found.status != FINISHED
        ) as run,
        tempfile.TemporaryDirectory(prefix="servicio-ml-") as scratch,
    ):
        yield TrainingSession(use_case, manifest, plan, ports, run, Path(scratch))


def _read_training(
    use_case: UseCase, found: FinishedRun, ports: TrainingPorts, threads: int
) -> tuple[Manifest, TrainingPlan]:
    if found.tags.get("step") != STEP:
        raise TrainingError(use_case.name, f"run {found.id} is no training; give the one of the step `plan`")
    document = json.loads(ports.tracker.read_artifact(found.id, PLAN))
    manifest = Manifest.from_json(document["manifest"])
    if manifest.use_case != use_case.name:
        raise TrainingError(use_case.name, f"run {found.id} is a training of {manifest.use_case}")
    return manifest, TrainingPlan(
        candidates=tuple(use_case.get_candidate(name) for name in document["candidates"]),
        trials=document["trials"], seconds=document["seconds"], start=document["start"], threads=threads,
    )  # fmt: skip


def _build_key(stage: CandidateStage) -> str:
    return f"standing.{stage.candidate}.{stage.name}"
