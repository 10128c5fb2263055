"""Document of a model's input and output."""

import json
from dataclasses import replace
from pathlib import Path

from services import create_service
from servicio_ml.domain.derived import Lookup
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.serving.rest.schema import FieldLocations, build_schema_state, find_locations
from servicio_ml.use_cases.rain_australia import USE_CASE
from servicio_ml.use_cases.samples.rain_australia import STATIONS
from small_use_case import SCHEMA


def build_lookup(name: str, source: str, *numbers: float) -> Lookup:
    levels = SCHEMA.get_field(source).levels
    return Lookup(name=name, source=source, table=dict(zip(levels, numbers, strict=True)))


def list_derived(*columns: Lookup) -> FeatureSchema:
    return replace(SCHEMA, derived=columns)


def test_each_field_has_a_usual_value(tmp_path: Path, artifact_folder: Path) -> None:
    loaded_model = create_service(tmp_path, artifact_folder).service.models.get_champion("small")
    result = build_schema_state(loaded_model)
    record = {each.name: each.default for each in result.fields}
    assert None not in record.values()
    assert loaded_model.decoder.decode_record(json.dumps(record).encode()).matrix.shape == (1, 6)
    assert result.places is None


def test_the_identifier_is_no_field(tmp_path: Path, artifact_folder: Path, identified_folder: Path) -> None:
    plain, named = (
        build_schema_state(create_service(tmp_path / each, folder).service.models.get_champion("small"))
        for each, folder in {"plain": artifact_folder, "named": identified_folder}.items()
    )
    assert (plain.identifier, named.identifier) == (None, "Row")
    assert [each.name for each in named.fields] == [each.name for each in plain.fields]


def test_places_of_the_levels() -> None:
    north, east = (
        build_lookup("latitude", "colour", -1, -2, -3),
        build_lookup("longitude", "colour", 10, 20, 30),
    )
    points = {"red": (-1.0, 10.0), "green": (-2.0, 20.0), "blue": (-3.0, 30.0)}
    assert find_locations(list_derived(north, east)) == FieldLocations(field="colour", points=points)


def test_no_places_without_both() -> None:
    assert find_locations(list_derived(build_lookup("latitude", "colour", 1, 2, 3))) is None
    assert find_locations(SCHEMA) is None


def test_rain_stations_are_places() -> None:
    found = find_locations(USE_CASE.schema)
    assert found is not None
    assert (found.field, found.points) == (
        "location",
        {name: (float(row["latitude"]), float(row["longitude"])) for name, row in STATIONS.items()},
    )


def test_what_is_predicted(tmp_path: Path, regression_folder: Path) -> None:
    result = build_schema_state(
        create_service(tmp_path, regression_folder).service.models.get_champion("small")
    )
    assert (result.description, result.unit, result.task) == ("Outcome", "INR", "regression")
