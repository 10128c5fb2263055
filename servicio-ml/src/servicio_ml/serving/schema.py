"""What a model takes and gives, as it is told: fields with usual values, and where the places are."""

from collections.abc import Mapping

from pydantic import BaseModel, Field

from servicio_ml.domain.derived import Lookup
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.typical import typical
from servicio_ml.serving.served import Served

LATITUDE, LONGITUDE = "latitude", "longitude"
"""Names of the derived columns that say where the levels of a field are."""


class SchemaField(BaseModel):
    """A field of the requests."""

    name: str
    kind: str
    description: str
    unit: str
    minimum: float | None
    maximum: float | None
    levels: list[str]
    nullable: bool
    example: float | str
    default: float | str | None = Field(
        description="A usual value of the training rows; null where most of them miss it."
    )


class Places(BaseModel):
    """Where the levels of a field are."""

    field: str
    points: dict[str, tuple[float, float]] = Field(
        description="Level to latitude and longitude in degrees, south and west negative."
    )


class SchemaState(BaseModel):
    """What the champion takes and gives."""

    model: str
    version: int
    task: str
    labels: list[str]
    threshold: float
    description: str = Field(description="What is predicted; empty where the version does not say it.")
    unit: str = Field(description="Of a regression's number.")
    fields: list[SchemaField]
    places: Places | None = Field(description="Null unless a field's levels are places.")


def schema_of(served: Served) -> SchemaState:
    """What a version takes and gives."""
    output, schema = served.artifact.output, served.artifact.encoder.schema
    usual = typical(served.artifact)
    return SchemaState(
        model=served.model,
        version=served.version,
        task=output.task,
        labels=list(output.labels),
        threshold=output.threshold,
        description=output.description,
        unit=output.unit,
        fields=[
            SchemaField(
                name=each.name, kind=each.kind, description=each.description, unit=each.unit,
                minimum=each.minimum, maximum=each.maximum, levels=list(each.levels),
                nullable=each.nullable, example=each.example, default=usual[each.name],
            )
            for each in schema.fields
        ],
        places=places_of(schema),
    )  # fmt: skip


def places_of(schema: FeatureSchema) -> Places | None:
    """Where the levels of a field are; None unless latitude and longitude are looked up by one field."""
    tables: Mapping[str, Lookup] = {each.name: each for each in schema.derived if isinstance(each, Lookup)}
    north, east = tables.get(LATITUDE), tables.get(LONGITUDE)
    if north is None or east is None or north.source != east.source:
        return None
    points = {level: (north.table[level], east.table[level]) for level in schema.field(north.source).levels}
    return Places(field=north.source, points=points)
