"""A whole world in memory: a published period, runs, models and a study database in a folder."""

import json
from itertools import count
from pathlib import Path

import polars as pl

from problems import SCHEMA, manifest, rows
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.lake import open_lake
from servicio_ml.adapters.memory import MemoryRegistry, MemoryTracker
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports import Registry, Tracker
from servicio_ml.domain.published import manifest_key
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.succession import Court
from servicio_ml.domain.use_case import Task, UseCase
from servicio_ml.pipeline.record import World
from servicio_ml.pipeline.train import Trained, train
from servicio_ml.pipeline.training import Plan


class Place:
    """A folder with everything that training and promotion need."""

    def __init__(self, folder: Path) -> None:
        ticks = count(1_000_000, 10)
        self.clock = lambda: float(next(ticks))
        self.folder = folder
        self.store = open_lake(str(folder / "lake"), endpoint="")
        self.progress = SilentProgress()
        self.memory = MemoryTracker(folder / "runs", self.clock)
        self.use(self.memory, MemoryRegistry(folder / "models", self.clock))

    def use(self, tracker: Tracker, registry: Registry) -> None:
        """Keep runs and models there from now on."""
        self.tracker, self.registry = tracker, registry
        self.world = World(
            store=self.store, tracker=self.tracker, registry=self.registry, progress=self.progress,
            study_url=f"sqlite:///{self.folder}/studies.db",
        )  # fmt: skip
        self.court = Court(
            tracker=self.tracker, registry=self.registry, stats=NoStats(), clock=self.clock, by="tester"
        )

    def publish(
        self, task: Task, *, period: str = "2020-01", seed: int = 0, count: int = 400,
        schema: FeatureSchema = SCHEMA, train_rows: pl.DataFrame | None = None,
    ) -> Manifest:  # fmt: skip
        """Publish made-up rows as a period's data."""
        parts = {"train": train_rows if train_rows is not None else rows(task, count, seed)}
        parts["test"] = rows(task, count, seed + 1)
        files = {part: f"small/{period}/{part}-{seed}.parquet" for part in ("train", "test", "quarantine")}
        made = manifest(
            schema, train=len(parts["train"]), test=len(parts["test"]), period=period,
            digest=f"{seed:064d}", files=files,
        )  # fmt: skip
        for part, frame in parts.items():
            path = self.folder / f"{part}.parquet"
            frame.write_parquet(path)
            self.store.put(files[part], path)
        pointer = self.folder / "manifest.json"
        pointer.write_text(json.dumps(made.to_json()))
        self.store.put(manifest_key("small", period), pointer)
        return made

    def train(self, use_case: UseCase, made: Manifest, *, trials: int = 2, force: bool = False) -> Trained:
        """Train with one thread and enough time."""
        plan = Plan(candidates=use_case.candidates, trials=trials, seconds=600, threads=1, force=force)
        return train(use_case, made, plan, self.world)
