"""Document of a model's input and output: fields with typical values, and coordinates of places."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from servicio_ml.domain import schema as declared
from servicio_ml.domain.derived import Lookup
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.typical import compute_typical_record
from servicio_ml.serving.models.loaded_model import LoadedModel

LATITUDE, LONGITUDE = "latitude", "longitude"
"""Names of the derived columns that hold the coordinates of a field's levels."""


class SchemaField(BaseModel):
    """A field of a request."""

    name: str
    kind: str
    description: str
    unit: str
    minimum: float | None
    maximum: float | None
    levels: list[str]
    any_text: bool = Field(description="Whether a text that is no level is taken, as the level `other`.")
    nullable: bool
    example: float | str | bool
    default: float | str | bool | None = Field(
        description="Typical value of the training rows; null where most of them miss it."
    )


class FieldLocations(BaseModel):
    """Coordinates of a field's levels."""

    field: str
    points: dict[str, tuple[float, float]] = Field(
        description="Level to latitude and longitude in degrees, south and west negative."
    )


class SchemaState(BaseModel):
    """Input and output of the champion."""

    model: str
    version: int
    task: str
    labels: list[str]
    threshold: float
    description: str = Field(description="Description of the target; empty where the version has none.")
    unit: str = Field(description="Unit of a regression's prediction.")
    fields: list[SchemaField]
    identifier: str | None = Field(
        description="Raw column that identifies a row; a record may have its text as `identifier` beside the "
        "fields. Null where records have none."
    )
    max_interval: float | None = Field(
        description="Greatest level that `interval` may ask for; null for a version without any."
    )
    outlier_limit: float | None = Field(
        description="Score above which a record is an outlier; null for a version without `outlier`."
    )
    places: FieldLocations | None = Field(description="Coordinates; null unless a field's levels are places.")


def build_schema_state(loaded_model: LoadedModel) -> SchemaState:
    """Build the document of a version's input and output."""
    output, schema = loaded_model.artifact.output, loaded_model.artifact.encoder.schema
    usual = compute_typical_record(loaded_model.artifact)
    return SchemaState(
        model=loaded_model.model,
        version=loaded_model.version,
        task=output.task,
        labels=list(output.labels),
        threshold=output.threshold,
        description=output.description,
        unit=output.unit,
        fields=[_build_field(each, usual[each.name]) for each in schema.fields],
        identifier=loaded_model.artifact.identifier or None,
        max_interval=find_max_level(loaded_model),
        outlier_limit=find_outlier_limit(loaded_model),
        places=find_locations(schema),
    )  # fmt: skip


def _build_field(each: declared.Field, usual: Any) -> SchemaField:
    return SchemaField(
        name=each.name, kind=each.kind, description=each.description, unit=each.unit, minimum=each.minimum,
        maximum=each.maximum, levels=list(each.levels), any_text=each.learned_levels is not None,
        nullable=each.nullable, example=each.example, default=usual,
    )  # fmt: skip


def find_max_level(loaded_model: LoadedModel) -> float | None:
    """Find the greatest level of intervals or sets; None where the version answers none."""
    uncertainty = loaded_model.artifact.uncertainty
    return None if uncertainty is None else uncertainty.table.max_level or None


def find_outlier_limit(loaded_model: LoadedModel) -> float | None:
    """Find the limit of outlier scores; None where the version has none."""
    outliers = loaded_model.artifact.outliers
    return None if outliers is None else outliers.limit


def find_locations(schema: FeatureSchema) -> FieldLocations | None:
    """Find the coordinates of a field's levels; None unless one field looks up latitude and longitude."""
    tables: Mapping[str, Lookup] = {each.name: each for each in schema.derived if isinstance(each, Lookup)}
    north, east = tables.get(LATITUDE), tables.get(LONGITUDE)
    # a map needs both coordinates of the same field
    if north is None or east is None or north.source != east.source:
        return None
    points = {
        level: (north.table[level], east.table[level]) for level in schema.get_field(north.source).levels
    }
    return FieldLocations(field=north.source, points=points)
