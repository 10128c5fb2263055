"""What a model is said to take."""

import json
from dataclasses import replace
from pathlib import Path

from problems import SCHEMA
from services import bench
from servicio_ml.domain.derived import Lookup
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.serving.schema import Places, places_of, schema_of
from servicio_ml.use_cases.rain_australia import STATIONS, USE_CASE


def lookup(name: str, source: str, *numbers: float) -> Lookup:
    levels = SCHEMA.field(source).levels
    return Lookup(name=name, source=source, table=dict(zip(levels, numbers, strict=True)))


def derived(*columns: Lookup) -> FeatureSchema:
    return replace(SCHEMA, derived=columns)


def test_each_field_has_a_usual_value(tmp_path: Path, artifact_folder: Path) -> None:
    served = bench(tmp_path, artifact_folder).service.models.champion("small")
    told = schema_of(served)
    record = {each.name: each.default for each in told.fields}
    assert None not in record.values()
    assert served.decoder.record(json.dumps(record).encode()).shape == (1, 6)
    assert told.places is None


def test_places_of_the_levels() -> None:
    north, east = lookup("latitude", "colour", -1, -2, -3), lookup("longitude", "colour", 10, 20, 30)
    points = {"red": (-1.0, 10.0), "green": (-2.0, 20.0), "blue": (-3.0, 30.0)}
    assert places_of(derived(north, east)) == Places(field="colour", points=points)


def test_no_places_without_both() -> None:
    assert places_of(derived(lookup("latitude", "colour", 1, 2, 3))) is None
    assert places_of(SCHEMA) is None


def test_rain_stations_are_places() -> None:
    found = places_of(USE_CASE.schema)
    assert found is not None
    assert (found.field, found.points) == ("location", dict(STATIONS))


def test_what_is_predicted(tmp_path: Path, regression_folder: Path) -> None:
    told = schema_of(bench(tmp_path, regression_folder).service.models.champion("small"))
    assert (told.description, told.unit, told.task) == ("Outcome", "INR", "regression")
