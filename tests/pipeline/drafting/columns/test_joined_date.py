"""Dates whose parts are numbers with a fraction of 0, as pandas writes them in a column with blanks."""

from pathlib import Path

import pytest

from messy_files import convert_to_parquet, write_rows
from servicio_ml.domain.schema import Kind, Parse
from servicio_ml.pipeline.drafting.answers import DraftAnswers
from servicio_ml.pipeline.drafting.draft import draft_use_case

TEXT = write_rows(
    "year,month,day",
    lambda i: f"{2018 + i * 7 % 2},{f'{1 + i * 5 % 12}.0' if i % 9 else ''},{1 + i * 11 % 28}.0",
)


@pytest.mark.parametrize(
    "content", [pytest.param(TEXT.encode(), id="csv"), pytest.param(convert_to_parquet(TEXT), id="parquet")]
)
def test_parts_with_a_fraction_of_zero_are_joined(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows"
    path.write_bytes(content)
    draft = draft_use_case("rows", DraftAnswers(target="y"), path, source_name="rows")
    field = draft.use_case.schema.get_field("date")
    assert (field.kind, field.column, field.nullable) == (Kind.DATE, ("year", "month", "day"), True)
    assert field.parse == Parse(date_format="%Y %m %d")
    assert draft.use_case.schema.field_names == ("date", "x")
    assert draft.check.status_counts["kept"] == 160
