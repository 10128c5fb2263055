"""What the demonstration sends: rows that the models take, until they drift."""

import random
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded import demo_rows
from deploy.embedded.demo_rows import UNSEEN_LEVEL, Row
from servicio_ml.features.check import Checker
from servicio_ml.features.encoder import Encoder
from servicio_ml.use_cases.catalogue import catalogue, find

NAMES = list(catalogue())
SOME = 200


def _rows(name: str) -> tuple[list[dict[str, Any]], list[Row]]:
    schema = find(name).schema
    fields = [
        {
            "name": each.name, "kind": each.kind.value, "nullable": each.nullable,
            "minimum": each.minimum, "maximum": each.maximum,
        }
        for each in schema.fields
    ]  # fmt: skip
    what, rows = demo_rows.rows(find(name), schema.field_names, [], 0)
    assert what == "look-alike rows"
    return fields, [next(rows) for _ in range(SOME)]


def _faults(name: str, records: list[dict[str, Any]]) -> list[str]:
    """Fields of the records that the model would refuse."""
    schema = find(name).schema
    matrix = Encoder(schema).records(records)
    return [fault.field for fault in Checker(schema).faults(matrix)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("every_number", [True, False])
def test_drifted_rows_are_taken_but_for_levels_that_nobody_knows(name: str, *, every_number: bool) -> None:
    fields, rows = _rows(name)
    assert _faults(name, [row.record for row in rows]) == []
    fault = demo_rows.fault(fields, every_number=every_number)
    chance = random.Random(0)  # noqa: S311  no secret
    broken = [fault.into(row.record, chance) for row in rows]
    known = [each for each in broken if UNSEEN_LEVEL not in each.values()]
    assert _faults(name, known) == []
    assert known != [row.record for row in rows]
    if fault.lost:
        assert {each[fault.lost] for each in broken} == {None}
    if fault.unseen:
        assert len(known) < SOME
    assert str(fault)


def test_an_integer_stays_one() -> None:
    year = {"name": "year", "kind": "integer", "nullable": False, "minimum": 1970.0, "maximum": 2030.0}
    fault = demo_rows.fault([year], every_number=True)
    shifted = fault.into({"year": 2028}, random.Random(0))["year"]  # noqa: S311
    assert shifted == 2030
    assert isinstance(shifted, int)


@pytest.mark.real_data
def test_the_rows_that_came_later_are_preferred(data_dir: Path) -> None:
    use_case = find("rain_australia")
    what, rows = demo_rows.rows(use_case, use_case.schema.field_names, [data_dir], 0)
    assert "2017-07" in what
    first = next(rows)
    assert first.record["date"] > "2017-06-25"
    assert first.truth in use_case.target.labels
