"""Training in a folder: a published period, runs, models and a study database."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import polars as pl

from fakes.decision_log import MemoryDecisionLog
from fakes.registry import MemoryRegistry
from fakes.tracker import MemoryTracker
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.lake import open_lake
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports.registry import Registry
from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.domain.promotion import DecisionRecord
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import Task, UseCase
from servicio_ml.lifecycle.decisions import DecisionContext, apply_decision
from servicio_ml.lifecycle.published import build_manifest_key
from servicio_ml.pipeline.promotion.judge import get_challenger, judge
from servicio_ml.pipeline.training.plan import TrainingPlan
from servicio_ml.pipeline.training.run import TrainingResult, close_training, train
from servicio_ml.pipeline.training.run_recorder import TrainingPorts
from small_use_case import SCHEMA, build_manifest, generate_rows


class TrainingFixture:
    """A folder with everything that training and promotion need."""

    def __init__(self, folder: Path) -> None:
        ticks = count(1_000_000, 10)
        self.clock = lambda: float(next(ticks))
        self.folder = folder
        self.store = open_lake(str(folder / "lake"), endpoint="")
        self.progress = SilentProgress()
        self.memory = MemoryTracker(folder / "runs", self.clock)
        self.use_tracking(self.memory, MemoryRegistry(folder / "models", self.clock))

    def use_tracking(self, tracker: Tracker, registry: Registry) -> None:
        """Keep runs and models there from now on."""
        self.tracker, self.registry = tracker, registry
        self.training_ports = TrainingPorts(
            store=self.store, tracker=self.tracker, registry=self.registry, progress=self.progress,
            study_url=f"sqlite:///{self.folder}/studies.db",
        )  # fmt: skip
        self.decision_context = DecisionContext(
            tracker=self.tracker,
            registry=self.registry,
            stats=NoStats(),
            clock=self.clock,
            hold_champion=MemoryDecisionLog().hold_champion,
            by="tester",
        )

    def publish(
        self, task: Task, *, period: str = "2020-01", seed: int = 0, count: int = 400,
        schema: FeatureSchema = SCHEMA, train_rows: pl.DataFrame | None = None,
        change: Callable[[pl.DataFrame], pl.DataFrame] = lambda rows: rows,
    ) -> Manifest:  # fmt: skip
        """Publish made-up rows as a period's data."""
        parts = {"train": train_rows if train_rows is not None else generate_rows(task, count, seed)}
        parts["test"] = generate_rows(task, count, seed + 1)
        files = {part: f"small/{period}/{part}-{seed}.parquet" for part in ("train", "test", "quarantine")}
        made = build_manifest(
            schema, train=len(parts["train"]), test=len(parts["test"]), period=period,
            digest=f"{seed:064d}", files=files,
        )  # fmt: skip
        for part, frame in parts.items():
            path = self.folder / f"{part}.parquet"
            change(frame).write_parquet(path)
            self.store.put(files[part], path)
        pointer = self.folder / "manifest.json"
        pointer.write_text(json.dumps(made.to_json()))
        self.store.put(build_manifest_key("small", period), pointer)
        return made

    def train(
        self, use_case: UseCase, made: Manifest, *, trials: int = 2, force: bool = False
    ) -> TrainingResult:
        """Train with one thread and enough time, and close the run without a decision."""
        plan = TrainingPlan(
            candidates=use_case.candidates, trials=trials, seconds=600, threads=1, force=force
        )
        trained = train(use_case, made, plan, self.training_ports)
        if trained.challenger is not None:
            close_training(use_case, trained.run_id, self.training_ports)
        return trained

    def promote(
        self, use_case: UseCase, made: Manifest, context: DecisionContext | None = None
    ) -> DecisionRecord:
        """Judge the challenger and apply the decision, as `servicio-ml promote` does."""
        context = context or self.decision_context
        judged = judge(use_case, made, self.store, context, get_challenger(use_case, context))
        return apply_decision(use_case.name, judged.run_id, context)
