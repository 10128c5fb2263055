"""The page about rollouts: its table has the ramp's defaults."""

import re
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from servicio_ml.domain.rollout.ramp import Ramp

PAGE = Path(__file__).parents[2] / "docs" / "rollout.md"


def write_value(value: Any) -> str:
    if isinstance(value, StrEnum):
        return f"`{value.value}`"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(f"{each:g}" for each in (value if isinstance(value, tuple) else (value,)))


def test_the_table_of_the_ramp_has_its_defaults() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.+?) \|", PAGE.read_text(), re.MULTILINE)
    ramp, found = Ramp(), dict(rows)
    assert {name.strip("`") for cell in found for name in cell.split(", ")} >= {
        each.name for each in fields(ramp)
    }
    for cell, shown in found.items():
        names = [name.strip("`") for name in cell.split(", ")]
        if hasattr(ramp, names[0]):
            assert shown == ", ".join(write_value(getattr(ramp, name)) for name in names), cell
