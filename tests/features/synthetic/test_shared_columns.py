"""A sample has texts for a column that several fields are read from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchard_use_case import build_use_case
from servicio_ml.adapters.raw_data.raw_files import write_csv
from servicio_ml.domain.sample import SyntheticSample
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.errors import UseCaseError
from servicio_ml.features.synthetic.sampler import draw_rows
from servicio_ml.features.synthetic.shared_columns import build_shared_template
from servicio_ml.pipeline.describe_raw_file import describe
from servicio_ml.pipeline.reading.transform import RowStatus


def _build_field(name: str, column: str, pattern: str, **changes: Any) -> Field:
    number: dict[str, Any] = {"kind": Kind.NUMBER, "example": 80.0, "minimum": 20, "maximum": 8000}
    return Field(
        **{
            "name": name,
            "column": column,
            "description": name,
            "parse": Parse(pattern=pattern),
            **number,
            **changes,
        }
    )


def _build_level_field(name: str, pattern: str, *levels: str) -> Field:
    return _build_field(
        name,
        "Name",
        pattern,
        kind=Kind.CATEGORY,
        example=levels[0],
        levels=levels,
        minimum=None,
        maximum=None,
    )


POWER, SPEED = (
    _build_field("power", "Engine", r"([\d.]+)\s*bhp.*"),
    _build_field("rpm", "Engine", r".*@\s*(\d+)"),
)
BRAND = _build_level_field("brand", r"^(\S+)", "Ford", "Kia")
MODEL = _build_level_field("model", r"^\S+ (\S+)", "A", "B")
DAY = Field(name="day", kind=Kind.DATE, column="Day", description="Day", example="2020-06-30")


@pytest.mark.parametrize(
    ("fields", "template"),
    [((POWER, SPEED), "{power:.1f}bhp@{rpm:.0f}"), ((BRAND, MODEL), "{brand} {model}")],
    ids=["numbers", "words"],
)
def test_a_template_is_read_by_every_pattern(fields: tuple[Field, ...], template: str) -> None:
    assert build_shared_template("orchard", fields) == template


def test_fields_that_no_text_can_hold_are_named_with_the_remedy() -> None:
    with pytest.raises(
        UseCaseError, match=r"'Engine' can be made up that power, all are read from; .*sample.columns"
    ):
        build_shared_template("orchard", (POWER, _build_field("all", "Engine", "")))


def test_a_pattern_that_leaves_out_the_other_number_reads_no_text() -> None:
    with pytest.raises(UseCaseError, match="can be made up that power, rpm are read from"):
        build_shared_template("orchard", (POWER, _build_field("rpm", "Engine", r"@\s*(\d+)")))


def test_every_row_of_the_sample_is_read(tmp_path: Path) -> None:
    schema = FeatureSchema(fields=(DAY, POWER, SPEED, BRAND, MODEL))
    use_case = build_use_case(schema=schema, sample=SyntheticSample(rows=50))
    table = draw_rows(use_case, 50, np.random.default_rng(0))
    assert [*table.columns] == ["Day", "Engine", "Name", "Ripe"]
    write_csv(tmp_path / "a.csv", table.columns, header=True)
    found = describe(use_case, tmp_path / "a.csv", source_name="sample").status_counts
    assert found[RowStatus.KEPT.value] + found[RowStatus.DUPLICATE.value] == 50
