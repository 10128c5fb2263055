"""The demonstration sends rows that the models accept, until they drift."""

import random
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from deploy.embedded.demo.rows import UNSEEN_LEVEL, DemoRow, load_rows, plan_fault
from fakes.object_store import MemoryObjectStore
from sample_lake import publish_sample
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.values import OTHER
from servicio_ml.features.check import SchemaChecker
from servicio_ml.features.encoder import Encoder
from servicio_ml.use_cases.catalogue import find, load_catalogue

NAMES = list(load_catalogue())
SOME, ROWS = 200, 1500


@cache
def _publish(name: str) -> ObjectStore:
    with TemporaryDirectory() as folder:
        return publish_sample(find(name), ROWS, Path(folder))[0]


def _load_rows(name: str) -> tuple[list[dict[str, Any]], list[DemoRow]]:
    schema = find(name).schema
    fields = [
        {
            "name": each.name, "kind": each.kind.value, "nullable": each.nullable,
            "minimum": each.minimum, "maximum": each.maximum,
        }
        for each in schema.fields
    ]  # fmt: skip
    what, rows = load_rows(find(name), schema.field_names, [], _publish(name))
    assert what == "the rows of 2017-06"
    return fields, [next(rows) for _ in range(SOME)]


def _find_faults(name: str, records: list[dict[str, Any]]) -> list[str]:
    """Fields of the records that the model would refuse."""
    # before a training, learned categories have one level, and fitted columns no table
    fields = FeatureSchema(fields=find(name).schema.fields)
    schema = fields.set_levels({each.name: (OTHER,) for each in fields.fields if each.learned_levels}, {})
    matrix = Encoder(schema).encode_records(records)
    return [fault.field for fault in SchemaChecker(schema).find_faults(matrix)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("every_number", [True, False])
def test_drifted_rows_are_accepted_unless_a_level_is_unknown(name: str, *, every_number: bool) -> None:
    fields, rows = _load_rows(name)
    assert _find_faults(name, [row.record for row in rows]) == []
    fault = plan_fault(fields, every_number=every_number)
    rng = random.Random(0)  # noqa: S311  no secret
    broken = [fault.apply(row.record, rng) for row in rows]
    known = [each for each in broken if UNSEEN_LEVEL not in each.values()]
    assert _find_faults(name, known) == []
    assert known != [row.record for row in rows]
    if fault.lost:
        assert {each[fault.lost] for each in broken} == {None}
    if fault.unseen:
        assert len(known) < SOME
    assert str(fault)


def test_an_integer_stays_one() -> None:
    year = {"name": "year", "kind": "integer", "nullable": False, "minimum": 1970.0, "maximum": 2030.0}
    fault = plan_fault([year], every_number=True)
    shifted = fault.apply({"year": 2028}, random.Random(0))["year"]  # noqa: S311
    assert shifted == 2030
    assert isinstance(shifted, int)


@pytest.mark.real_data
def test_newer_rows_are_preferred(data_dir: Path) -> None:
    use_case = find("rain_australia")
    what, rows = load_rows(use_case, use_case.schema.field_names, [data_dir], MemoryObjectStore())
    assert "2017-07" in what
    first = next(rows)
    assert first.record["date"] > "2017-06-25"
    assert first.truth in use_case.target.labels
