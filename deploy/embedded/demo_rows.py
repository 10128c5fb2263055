"""Rows for the demonstration: what a raw file of a use case holds, as requests with what really happened."""

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import cycle
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from servicio_ml.adapters.raw_files import write_csv
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.sampler import draw
from servicio_ml.pipeline.ingest import read_rows, take_snapshot
from servicio_ml.pipeline.staging import stage

LATER = {"rain_australia": "weatherAUS_2017-07_2019-12.csv"}
"""Use case to the file of rows that came after the original was published."""
SAMPLE_ROWS = 5_000
SHIFTED_SHARE = 0.1
"""Of a field's range, by which a shifted value is too great."""
UNSEEN_LEVEL = "a level that nobody knows"
UNSEEN_SHARE = 0.03
NUMBERS = ("number", "integer")

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A request to be.

    Attributes:
        record: Value by field.
        truth: What really happened.
    """

    record: Record
    truth: str | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with a model's rows.

    Attributes:
        lost: The field whose sensor is gone.
        shifted: Field to what is added to it, and to the greatest value that is taken.
        unseen: The field that now and then has a level that was never there.
    """

    lost: str
    shifted: Mapping[str, tuple[float, float]]
    unseen: str

    def __str__(self) -> str:
        said = [f"{self.lost} is lost"] if self.lost else []
        said += [f"{name} is {by:g} too high" for name, (by, _) in self.shifted.items()]
        said += [f"{self.unseen} has an unknown level now and then"] if self.unseen else []
        return ", ".join(said) or "nothing can go wrong with it"

    def into(self, record: Record, chance: random.Random) -> Record:
        """A row after the fault."""
        broken = dict(record)
        for name, (by, most) in self.shifted.items():
            if broken.get(name) is not None:
                broken[name] = min(broken[name] + by, most)
        if self.lost:
            broken[self.lost] = None
        if self.unseen and chance.random() < UNSEEN_SHARE:
            broken[self.unseen] = UNSEEN_LEVEL
        return broken


def fault(fields: Sequence[Mapping[str, Any]], *, every_number: bool) -> Fault:
    """A fault of a model with such fields, as its schema tells of them.

    Args:
        fields: Of the model.
        every_number: Whether all numbers are shifted and no sensor is lost; else one of each.
    """
    numbers = [each for each in fields if each["kind"] in NUMBERS]
    categories = [each["name"] for each in fields if each["kind"] == "category"]
    if every_number:
        return Fault(lost="", shifted=_shifted(numbers), unseen="")
    lost = next((each["name"] for each in reversed(numbers) if each["nullable"]), "")
    others = [each for each in numbers if each["name"] != lost]
    return Fault(lost=lost, shifted=_shifted(others[:1]), unseen=next(iter(categories), ""))


def _shifted(numbers: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    shifts: dict[str, tuple[float, float]] = {}
    for each in numbers:
        if None not in {each["minimum"], each["maximum"]}:
            by, most = SHIFTED_SHARE * (each["maximum"] - each["minimum"]), each["maximum"]
            # an integer with a fraction would be refused
            shifts[each["name"]] = (ceil(by), int(most)) if each["kind"] == "integer" else (by, most)
    return shifts


def rows(
    use_case: UseCase, fields: Sequence[str], folders: Sequence[Path], seed: int
) -> tuple[str, Iterator[Row]]:
    """Rows without end, and in words what they are.

    Args:
        use_case: Whose.
        fields: That the model takes.
        folders: Where the rows that came later may be.
        seed: Of look-alike rows, made where there are none.
    """
    later = LATER.get(use_case.name, "")
    for folder in folders:
        if later and (folder / later).is_file():
            return f"the rows of {later}", cycle(_read(use_case, folder / later, fields))
    with tempfile.TemporaryDirectory(prefix="servicio-ml-demo-") as scratch:
        made = Path(scratch) / "rows.csv"
        table = draw(use_case, SAMPLE_ROWS, np.random.default_rng(seed))
        write_csv(made, table.columns, header=table.named)
        return "look-alike rows", cycle(_read(use_case, made, fields))


def _read(use_case: UseCase, source: Path, fields: Sequence[str]) -> list[Row]:
    """The usable rows of a raw file, in its order."""
    with tempfile.TemporaryDirectory(prefix="servicio-ml-demo-") as folder:
        snapshot = take_snapshot(source, source.name, Path(folder))
        staged = stage(snapshot, read_rows(snapshot, use_case), use_case, date.max)
        present = [column.field.name for column in staged.plan.columns if column.field.name in fields]
        frame = staged.kept.select(*present, use_case.target.name).collect()
    if use_case.event_date in frame.columns:
        frame = frame.sort(use_case.event_date, maintain_order=True)
    return [
        Row(truth=each.pop(use_case.target.name), record={name: _json(value) for name, value in each.items()})
        for each in frame.to_dicts()
    ]


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
