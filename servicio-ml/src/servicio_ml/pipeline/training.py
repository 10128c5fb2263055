"""One training in progress: what its run holds, and its data once a step asks for them."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from optuna import Study

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports import Run, RunRecord
from servicio_ml.domain.search import Candidate, Parameter
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import TrainingError
from servicio_ml.pipeline.fitting import Problem
from servicio_ml.pipeline.publish import read_part
from servicio_ml.pipeline.record import Record, Stage, World, standing_of
from servicio_ml.pipeline.rows import Holdout, holdout, problem, trained_until
from servicio_ml.pipeline.standing import Standing
from servicio_ml.pipeline.tune import open_study

STEP = "train"
SEED = 1234
FINISHED = "FINISHED"
PLAN = "plan.json"
WINNER, REFINED, CHALLENGER_VERSION = "winner", "refined", "challenger"
"""Tags of the parent run that pass on what a step has found."""


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

    @property
    def names(self) -> list[str]:
        return [candidate.name for candidate in self.candidates]

    def start_of(self, candidate: Candidate) -> dict[str, Parameter]:
        return {**candidate.start, **self.start.get(candidate.name, {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A training's parent run; not `new` where one with nothing else to find is finished already."""

    run_id: str
    new: bool


def fingerprint(use_case: UseCase, manifest: Manifest, plan: Plan) -> str:
    """SHA-256 of all that decides what training leaves: data, definition, plan and code version."""
    definition = (use_case.task, use_case.target, use_case.metric, use_case.split, manifest.schema)
    searched = [(candidate, plan.start_of(candidate)) for candidate in plan.candidates]
    parts = (manifest.digest, definition, searched, plan.trials, version("servicio-ml"))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def begin(use_case: UseCase, manifest: Manifest, plan: Plan, world: World) -> Begun:
    """Open the parent run of a training, or find it.

    A run with the same fingerprint that is not finished is gone on with; one that is finished is left alone
    unless the plan forces it.
    """
    mark = fingerprint(use_case, manifest, plan)
    earlier = world.tracker.runs(use_case.name, {"step": STEP, "fingerprint": mark})
    done = [run for run in earlier if run.status == FINISHED]
    if done and not plan.force:
        world.progress.say(
            f"nothing new: data, definition and trials are those of run {done[0].id}; --force trains anyway"
        )
        return Begun(run_id=done[0].id, new=False)
    resume = next((run.id for run in earlier if run.status != FINISHED), "")
    if resume:
        world.progress.say(f"going on with run {resume}")
    tags = {"step": STEP, "fingerprint": mark, "period": manifest.period}
    name = f"train {manifest.period}"
    with (
        world.tracker.run(use_case.name, name, tags=tags, resume=resume, stays=True) as run,
        tempfile.TemporaryDirectory(prefix="servicio-ml-") as scratch,
    ):
        Record(use_case, manifest, world, run, Path(scratch)).data(plan.trials, plan.names)
        path = Path(scratch) / PLAN
        path.write_text(json.dumps(_document(manifest, plan), indent=1))
        run.artifact(path)
        return Begun(run_id=run.id, new=True)


class Training:
    """One training in progress.

    Args:
        use_case: Whose.
        manifest: Of the data that it was begun on.
        plan: It was begun with.
        world: Its ports.
        run: Its parent run.
        scratch: A folder that goes with this process.
    """

    def __init__(
        self, use_case: UseCase, manifest: Manifest, plan: Plan, world: World, run: Run, scratch: Path
    ) -> None:
        self.use_case, self.manifest, self.plan, self.world = use_case, manifest, plan, world
        self.run, self.scratch = run, scratch
        self.record = Record(use_case, manifest, world, run, scratch)
        self.source = f"{use_case.name} {manifest.period} (digest {manifest.digest[:12]})"

    @cached_property
    def _rows(self) -> pl.DataFrame:
        return read_part(self.world.store, self.manifest, "train")

    @cached_property
    def problem(self) -> Problem:
        schema, threads = self.manifest.schema, self.plan.threads
        return problem(self.use_case, schema, self._rows, seed=SEED, threads=threads)

    @cached_property
    def test(self) -> Holdout:
        tests = read_part(self.world.store, self.manifest, "test")
        return holdout(self.use_case, self.manifest.schema, tests)

    @property
    def until(self) -> str:
        return trained_until(self.use_case, self._rows)

    def study(self, name: str) -> Study:
        """The shared study of a candidate, or of a winner's neighbourhood."""
        study = f"{self.use_case.name}/{name}/{self.manifest.digest[:12]}"
        return open_study(self.world.study_url, study, self.use_case.metric, SEED)

    def tag(self, name: str) -> str:
        """What a step has left in the parent run; empty where it has not come so far."""
        return self.world.tracker.find(self.run.id).tags.get(name, "")

    def candidate(self, name: str) -> Candidate:
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

    def standing(self, stage: Stage) -> Standing | None:
        """The row of a candidate's model, None where it is not finished."""
        if text := self.tag(_key(stage)):
            return Standing.from_tag(text)
        # its process was killed between registering it and saying so
        made = self.record.registered(stage)
        return standing_of(made) if made else None

    def keep(self, stage: Stage, row: Standing) -> None:
        """Keep a row with the parent run, for the steps that follow."""
        self.run.tags({_key(stage): row.to_tag()})


@contextmanager
def opened(use_case: UseCase, run_id: str, world: World, threads: int) -> Iterator[Training]:
    """A training that was begun, by this process or another.

    Its run goes on when the context ends, unless it was finished before.

    Raises:
        RegistryError: There is no such run.
        TrainingError: It is no training of the use case.
    """
    found = world.tracker.find(run_id)
    manifest, plan = _read(use_case, found, world, threads)
    with (
        world.tracker.run(use_case.name, found.name, resume=run_id, stays=found.status != FINISHED) as run,
        tempfile.TemporaryDirectory(prefix="servicio-ml-") as scratch,
    ):
        yield Training(use_case, manifest, plan, world, run, Path(scratch))


def _read(use_case: UseCase, found: RunRecord, world: World, threads: int) -> tuple[Manifest, Plan]:
    if found.tags.get("step") != STEP:
        raise TrainingError(use_case.name, f"run {found.id} is no training; give the one of the step `plan`")
    document = json.loads(world.tracker.read(found.id, PLAN))
    manifest = Manifest.from_json(document["manifest"])
    if manifest.use_case != use_case.name:
        raise TrainingError(use_case.name, f"run {found.id} is a training of {manifest.use_case}")
    return manifest, Plan(
        candidates=tuple(use_case.candidate(name) for name in document["candidates"]),
        trials=document["trials"], seconds=document["seconds"], start=document["start"], threads=threads,
    )  # fmt: skip


def _document(manifest: Manifest, plan: Plan) -> dict[str, Any]:
    return {
        "manifest": manifest.to_json(), "candidates": plan.names, "trials": plan.trials,
        "seconds": plan.seconds, "start": {name: dict(params) for name, params in plan.start.items()},
    }  # fmt: skip


def _key(stage: Stage) -> str:
    return f"standing.{stage.candidate}.{stage.name}"
