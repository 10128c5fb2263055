"""A use case whose raw file has every quirk in few columns, and its path through the ETL, for tests."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

from servicio_ml.domain.policy import LeakagePolicy, PromotionPolicy
from servicio_ml.domain.sample import SyntheticSample
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Dialect, HashedSplit, Origin, Target, Task, UseCase
from servicio_ml.pipeline.reading.columns import LabelledReadPlan, plan_labelled_read
from servicio_ml.pipeline.reading.dialects import map_columns
from servicio_ml.pipeline.reading.input_file import copy_input_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.pipeline.reading.transform import transform

FIELDS = (
    Field(name="day", kind=Kind.DATE, column="Day", description="Picked on", example="2020-06-30"),
    Field(
        name="weight", kind=Kind.NUMBER, column="Weight", description="Weight", unit="g", minimum=1,
        maximum=5000, example=180.0, nullable=True,
        parse=Parse(
            pattern=r"^([+-]?[\d.,]*(?:[eE]\d+)?)\s*(?:[a-zA-Z]*)$", units={"kg": 1000.0, "g": 1.0},
            missing=("unknown",), missing_numbers=(9, 99.5),
        ),
    ),
    Field(
        name="seeds", kind=Kind.INTEGER, column="Seeds", description="Seeds", minimum=0, maximum=20_000,
        example=7,
    ),
    Field(
        name="colour", kind=Kind.CATEGORY, column="Colour", description="Colour",
        levels=("green", "yellow", "red"), example="red", nullable=True,
        parse=Parse(recode={"r": "red", "n/a": "?"}),
    ),
    Field(
        name="sugar", kind=Kind.NUMBER, column="Sugar", description="Sugar", unit="%", example=12.0,
        nullable=True, optional=True,
    ),
)  # fmt: skip

HEADER = ("Day", "Weight", "Seeds", "Colour", "Sugar", "Ripe")
GOOD = ("2020-06-30", "180", "7", "red", "12.5", "yes")
TARGET = Target(name="ripe", column="Ripe", description="Whether it is ripe", labels=("no", "yes"))
PRICE = Target(name="price", column="Ripe", description="Price", unit="EUR", minimum=0, maximum=100)
GRADE = Target(
    name="grade", column="Ripe", description="Grade", labels=("C", "B", "A"), edges=(1.0, 2.5), minimum=0,
    maximum=4,
)  # fmt: skip
LAST_DAY = date(2020, 12, 31)


def build_use_case(**changes: Any) -> UseCase:
    """The use case, changed where a test needs it."""
    return UseCase(
        **{
            "name": "orchard",
            "title": "Orchard",
            "description": "Is an apple ripe?",
            "task": Task.BINARY,
            "schema": FeatureSchema(fields=FIELDS),
            "target": TARGET,
            "candidates": (Candidate(name="decision_tree", family="decision_tree"),),
            "metric": "f1",
            "split": HashedSplit(test_share=0.25),
            "promotion": PromotionPolicy(metric="f1", floor=0.1),
            "origin": Origin(file="orchard.csv"),
            "sample": SyntheticSample(rows=10),
            "leaks": LeakagePolicy.DROP,
            "event_date": "day",
            **changes,
        }
    )


def build_price_use_case(**changes: Any) -> UseCase:
    """Build the use case with a price as target."""
    regression = {"task": Task.REGRESSION, "target": PRICE, "metric": "mae"}
    return build_use_case(promotion=PromotionPolicy(metric="mae", floor=100), **{**regression, **changes})


def build_grade_use_case(**changes: Any) -> UseCase:
    """Build the use case with classes cut from a number as target."""
    classes = {"task": Task.MULTICLASS, "target": GRADE, "metric": "f1_macro"}
    return build_use_case(promotion=PromotionPolicy(metric="f1_macro", floor=0.1), **{**classes, **changes})


def build_row(**changes: str) -> tuple[str, ...]:
    """A good row but for some columns."""
    return tuple(changes.get(name, text) for name, text in zip(HEADER, GOOD, strict=True))


def build_rows(count: int) -> list[tuple[str, ...]]:
    """Good rows, all different, of which nothing gives the target away."""
    colours = ("green", "yellow", "red", "NA")
    return [
        (
            f"2020-{1 + i % 12:02}-{1 + i % 28:02}",
            f"{100 + (37 * i) % 501}",
            f"{i % 50}",
            colours[i % 4],
            f"{(i * 7919) % 1000 / 50:.2f}",
            ("no", "yes", "yes")[(i * 5 + i // 7) % 3],
        )
        for i in range(count)
    ]


def write_csv(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    """A CSV file; texts are written as they are."""
    path.write_text("".join(",".join(cells) + "\n" for cells in (header, *rows)), encoding="utf-8")
    return path


def plan_read(
    use_case: UseCase, dialect: Dialect | None = None, absent: Sequence[str] = (), decimal: str = "."
) -> LabelledReadPlan:
    """How the use case's file is read."""
    chosen = dialect or use_case.dialects[0]
    sources = {name: column for name, column in map_columns(use_case, chosen).items() if name not in absent}
    return plan_labelled_read(use_case, sources, chosen, decimal)


def transform_file(source: Path, use_case: UseCase, folder: Path, last_day: date = LAST_DAY) -> pl.DataFrame:
    """A raw file's rows as the transform makes them."""
    snapshot = copy_input_file(source, source.name, folder)
    raw = read_rows(snapshot, use_case)
    reading = plan_read(use_case, raw.dialect, raw.absent_fields, snapshot.text_format.decimal_marks)
    rows = transform(nw.from_native(raw.frame), use_case, reading, last_day=last_day)
    frame: pl.DataFrame = rows.to_native().collect()
    return frame
