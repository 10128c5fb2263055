"""Synthetic rows as requests."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from servicio_ml.adapters.raw_data.raw_files import write_csv
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import UseCase
from servicio_ml.domain.values import OTHER
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.synthetic.sampler import draw_rows
from servicio_ml.pipeline.synthetic_requests import read_typed_records
from servicio_ml.serving.models.request_decoder import Decoder
from servicio_ml.use_cases.catalogue import load_catalogue

ROWS = 150


def _draw(use_case: UseCase, folder: Path) -> Path:
    target = folder / "sample.csv"
    table = draw_rows(use_case, ROWS, np.random.default_rng(3))
    write_csv(target, table.columns, header=table.named)
    return target


@pytest.mark.parametrize("use_case", load_catalogue().values(), ids=lambda each: each.name)
def test_every_record_is_a_request_that_is_taken(use_case: UseCase, tmp_path: Path) -> None:
    records = read_typed_records(use_case, _draw(use_case, tmp_path), use_case.schema.field_names)
    # before a training, learned categories have one level, and fitted columns no table
    fields = FeatureSchema(fields=use_case.schema.fields)
    schema = fields.set_levels({each.name: (OTHER,) for each in fields.fields if each.learned_levels}, {})
    decoder = Decoder(use_case.name, Encoder(schema), max_rows=ROWS)
    rows = {decoder.decode_record(json.dumps(record).encode()).matrix.tobytes() for record in records}
    assert len(rows) > ROWS / 2
    present = {name for record in records for name, value in record.items() if value is not None}
    optional = {field.name for field in use_case.schema.fields if field.optional}
    assert present >= {*use_case.schema.field_names} - optional


def test_a_record_has_the_identifier_of_its_row(tmp_path: Path) -> None:
    rain = load_catalogue()["rain_australia"]
    use_case = replace(rain, identifier="Row", deduplicate=False)
    source, names = _draw(use_case, tmp_path), use_case.schema.field_names[:3]
    records = read_typed_records(use_case, source, [*names, "identifier"])
    assert len({record["identifier"] for record in records}) == len(records) > ROWS / 2
    assert all("identifier" not in record for record in read_typed_records(use_case, source, names))


def test_only_the_fields_that_are_asked_for_are_there(tmp_path: Path) -> None:
    use_case = load_catalogue()["rain_australia"]
    fields = use_case.schema.field_names[:3]
    records = read_typed_records(use_case, _draw(use_case, tmp_path), fields)
    assert {name for record in records for name in record} == {*fields}
