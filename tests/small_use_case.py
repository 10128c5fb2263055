"""A small use case and rows for it, for tests that train for real in a second."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from servicio_ml.domain.dataset import Manifest, RowCounts
from servicio_ml.domain.derived import Difference, Missing
from servicio_ml.domain.policy import DriftPolicy, PromotionPolicy
from servicio_ml.domain.sample import SyntheticSample
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.search import Candidate, Choice, Integer, Real
from servicio_ml.domain.use_case import HashedSplit, Origin, Target, Task, UseCase

LABELS = {Task.BINARY: ("no", "yes"), Task.MULTICLASS: ("low", "middle", "high"), Task.REGRESSION: ()}
METRIC = {Task.BINARY: "roc_auc", Task.MULTICLASS: "f1_macro", Task.REGRESSION: "mae"}
FLOOR = {Task.BINARY: 0.7, Task.MULTICLASS: 0.5, Task.REGRESSION: 5.0}

SCHEMA = FeatureSchema(
    fields=(
        Field(
            name="day", kind=Kind.DATE, column="Day", description="Day", example="2020-01-31", direct=False
        ),
        Field(name="size", kind=Kind.NUMBER, column="Size", description="Size", example=1.5, nullable=True),
        Field(
            name="weight", kind=Kind.NUMBER, column="Weight", description="Weight", unit="kg",
            minimum=-10, maximum=10, example=0.25,
        ),
        Field(
            name="colour", kind=Kind.CATEGORY, column="Colour", description="Colour",
            levels=("red", "green", "blue"), example="green", nullable=True,
        ),
    ),
    derived=(
        Difference(name="size_over_weight", minuend="size", subtrahend="weight"),
        Missing(name="size_missing", source="size"),
    ),
)  # fmt: skip

WEIGHED = replace(
    SCHEMA, fields=(*SCHEMA.fields, Field(name="exposure", kind=Kind.NUMBER, column="Years", minimum=1e-6))
)
"""`SCHEMA` with another column, `exposure`, that may weigh the rows."""

LIGHTGBM = Candidate(
    name="lightgbm",
    family="lightgbm",
    space={"n_estimators": Integer(low=5, high=40), "learning_rate": Real(low=0.05, high=0.3, log=True)},
    start={"n_estimators": 20, "learning_rate": 0.2},
    fixed={"num_leaves": 7, "min_child_samples": 5},
    max_latency_seconds=1.0,
)
KNN = Candidate(
    name="knn",
    family="knn",
    space={"n_neighbors": Integer(low=3, high=15), "weights": Choice(options=("uniform", "distance"))},
    start={"n_neighbors": 7, "weights": "uniform"},
    max_latency_seconds=1.0,
)


def build_use_case(task: Task = Task.BINARY, *candidates: Candidate, **changes: Any) -> UseCase:
    """Build a use case that is trained in a second."""
    return UseCase(
        **{
            "name": "small",
            "title": "Small",
            "description": "Made up.",
            "task": task,
            "schema": SCHEMA,
            "target": Target(
                name="outcome", column="Outcome", description="Outcome", labels=LABELS[task],
                unit="" if LABELS[task] else "INR", log=task is Task.REGRESSION,
                minimum=None if LABELS[task] else 1e-6,
            ),
            "candidates": candidates or (LIGHTGBM, KNN),
            "metric": METRIC[task],
            "split": HashedSplit(test_share=0.25, folds=3),
            "promotion": PromotionPolicy(
                metric=METRIC[task], floor=FLOOR[task], margin=0.05, slices=("colour",), min_slice_rows=20,
                max_slice_loss=0.5, max_calibration_error=0.3, max_latency_seconds=1.0,
            ),
            "origin": Origin(file="small.csv"),
            "sample": SyntheticSample(rows=100),
            "drift": DriftPolicy(bins=5),
            **changes,
        }
    )  # fmt: skip


def generate_rows(task: Task, count: int, seed: int = 0) -> pl.DataFrame:
    """Generate typed rows with missing values; size, weight and colour determine the target."""
    random = np.random.default_rng(seed)
    size, weight = random.normal(size=count), random.uniform(-3, 3, count)
    colour = random.integers(0, 3, count)
    latent = 1.5 * size + weight + (colour == 1) + random.normal(scale=0.5, size=count)
    day = np.datetime64("2020-01-01") + random.integers(0, 700, count)
    names = np.array(["red", "green", "blue"])[colour]
    return pl.DataFrame(
        {
            "day": day,
            "size": pl.Series(np.where(random.random(count) < 0.1, np.nan, size)).fill_nan(None),
            "weight": weight,
            "colour": [
                None if gap else name for name, gap in zip(names, random.random(count) < 0.05, strict=True)
            ],
            "outcome": _derive_outcome(task, latent),
        }
    )


def _derive_outcome(task: Task, latent: Any) -> Any:
    if task is Task.REGRESSION:
        return np.exp(latent / 4)
    cuts = [0.5] if task is Task.BINARY else [-0.8, 1.5]
    return np.array(LABELS[task])[np.digitize(latent, cuts)]


def build_manifest(schema: FeatureSchema = SCHEMA, *, train: int, test: int, **changes: Any) -> Manifest:
    """Build the manifest of synthetic rows."""
    counts = RowCounts(
        read=train + test, train=train, test=test, quarantined=0, duplicates=0, unlabelled=0, later=0
    )
    return Manifest(
        **{
            "use_case": "small", "period": "2020-01", "source": "made up", "raw": "small/raw/0",
            "digest": "0" * 64,
            "files": {name: f"small/2020-01/{name}.parquet" for name in ("train", "test", "quarantine")},
            "counts": counts, "schema": schema, **changes,
        }
    )  # fmt: skip
