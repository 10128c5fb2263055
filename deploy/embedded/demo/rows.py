"""Rows for the demonstration: real rows as requests with their ground truth."""

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import cycle
from math import ceil
from pathlib import Path
from typing import Any

import polars as pl

from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.use_case import UseCase
from servicio_ml.lifecycle.published import read_manifest
from servicio_ml.pipeline.etl.publish import SplitName, read_split
from servicio_ml.pipeline.etl.staging import stage
from servicio_ml.pipeline.reading.input_file import copy_input_file
from servicio_ml.pipeline.reading.raw_file import read_rows

LATER_FILES = {"rain_australia": "weatherAUS_2017-07_2019-12.csv"}
"""Use case to the file of rows that are newer than its original."""
SHIFTED_SHARE = 0.1
"""Share of a field's range by which shifted values are too high."""
UNSEEN_LEVEL = "an unknown level"
UNSEEN_SHARE = 0.03
NUMBERS = ("number", "integer")
SPLITS: tuple[SplitName, ...] = ("train", "test")

DemoRecord = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRow:
    """A row to request a prediction for.

    Attributes:
        record: Value by field.
        truth: Ground truth.
    """

    record: DemoRecord
    truth: str | float


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """Fault in the rows of a model.

    Attributes:
        lost: Field that is always missing; empty for none.
        shifted: Field to the amount added to it and its maximum.
        unseen: Field that has an unknown level in 3 % of the rows; empty for none.
    """

    lost: str
    shifted: Mapping[str, tuple[float, float]]
    unseen: str

    def __str__(self) -> str:
        effects = [f"{self.lost} is missing"] if self.lost else []
        effects += [f"{name} is {amount:g} too high" for name, (amount, _) in self.shifted.items()]
        effects += [f"{self.unseen} sometimes has an unknown level"] if self.unseen else []
        return ", ".join(effects) or "no fault is possible"

    def apply(self, record: DemoRecord, rng: random.Random) -> DemoRecord:
        """Copy of a record with the fault."""
        broken = dict(record)
        for name, (amount, maximum) in self.shifted.items():
            if broken.get(name) is not None:
                # beyond the maximum of its schema, the server would reject the row
                broken[name] = min(broken[name] + amount, maximum)
        if self.lost:
            broken[self.lost] = None
        if self.unseen and rng.random() < UNSEEN_SHARE:
            broken[self.unseen] = UNSEEN_LEVEL
        return broken


def plan_fault(fields: Sequence[Mapping[str, Any]], *, every_number: bool) -> InjectedFault:
    """Plan a fault for the fields of a model's schema.

    Args:
        fields: Fields, as `/models/{model}/schema` describes them.
        every_number: Whether all numbers are shifted; otherwise one is shifted, one missing, and one
            category has unknown levels.
    """
    numbers = [each for each in fields if each["kind"] in NUMBERS]
    categories = _list_closed_categories(fields)
    if every_number:
        return InjectedFault(lost="", shifted=_plan_shifts(numbers), unseen="")
    lost = next((each["name"] for each in reversed(numbers) if each["nullable"]), "")
    others = [each for each in numbers if each["name"] != lost]
    return InjectedFault(lost=lost, shifted=_plan_shifts(others[:1]), unseen=next(iter(categories), ""))


def _list_closed_categories(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    # a category that takes any text has no unknown level
    return [each["name"] for each in fields if each["kind"] == "category" and not each.get("any_text")]


def _plan_shifts(numbers: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    shifts: dict[str, tuple[float, float]] = {}
    for each in numbers:
        if None not in {each["minimum"], each["maximum"]}:
            amount, maximum = SHIFTED_SHARE * (each["maximum"] - each["minimum"]), each["maximum"]
            # the server rejects an integer with a fraction
            is_integer = each["kind"] == "integer"
            shifts[each["name"]] = (ceil(amount), int(maximum)) if is_integer else (amount, maximum)
    return shifts


def load_rows(
    use_case: UseCase, fields: Sequence[str], folders: Sequence[Path], store: ObjectStore
) -> tuple[str, Iterator[DemoRow]]:
    """Load endless rows that a champion knows; give a description of their source and the rows.

    They are newer rows in the order of their dates, or else all published rows in random order. With the test
    rows alone, which are few, a window would hold each of them often, and their chance differences from the
    training rows would look like a drift.

    Args:
        use_case: Use case of the rows.
        fields: Fields of the model.
        folders: Folders that may hold the file of newer rows.
        store: The lake.

    Raises:
        StoreError: There is no such file, and nothing is published.
    """
    later = LATER_FILES.get(use_case.name, "")
    for folder in folders:
        if later and (folder / later).is_file():
            newer = _read(use_case, folder / later).sort(use_case.event_date, maintain_order=True)
            return f"the rows of {later}", cycle(_build_rows(use_case, newer, fields))
    manifest = read_manifest(store, use_case.name)
    # the training rows may have a column of weights beside
    published = pl.concat([read_split(store, manifest, split) for split in SPLITS], how="diagonal")
    shuffled = published.sample(fraction=1.0, shuffle=True, seed=0)
    return f"the rows of {manifest.period}", cycle(_build_rows(use_case, shuffled, fields))


def _read(use_case: UseCase, source: Path) -> pl.DataFrame:
    """Read the valid rows of a raw file."""
    with tempfile.TemporaryDirectory(prefix="servicio-ml-demo-") as folder:
        snapshot = copy_input_file(source, source.name, Path(folder))
        return stage(snapshot, read_rows(snapshot, use_case), use_case, date.max).kept.collect()


def _build_rows(use_case: UseCase, frame: pl.DataFrame, fields: Sequence[str]) -> list[DemoRow]:
    present = [name for name in fields if name in frame.columns]
    return [
        DemoRow(
            truth=each.pop(use_case.target.name),
            record={name: _to_json(value) for name, value in each.items()},
        )
        for each in frame.select(*present, use_case.target.name).to_dicts()
    ]


def _to_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
