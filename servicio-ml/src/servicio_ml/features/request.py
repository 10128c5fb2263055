"""The pydantic request model of a schema."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from servicio_ml.domain.schema import FeatureSchema, Kind
from servicio_ml.domain.schema import Field as SchemaField


def request_model(schema: FeatureSchema, name: str = "Record") -> type[BaseModel]:
    """A frozen model of one record: unknown fields are refused, nullable ones may be null or absent.

    Args:
        schema: Its fields give types, ranges, levels, units and examples.
        name: Of the class, as shown in OpenAPI.
    """
    parts: dict[str, Any] = {each.name: _part(each) for each in schema.fields}
    config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    return create_model(name, __config__=config, **parts)


def _part(each: SchemaField) -> tuple[Any, Any]:
    details = Field(
        description=f"{each.description} [{each.unit}]" if each.unit else each.description,
        examples=[each.example],
        ge=each.minimum,
        le=each.maximum,
    )
    kind = _type(each)
    if each.nullable:
        return Annotated[kind | None, details], None
    return Annotated[kind, details], ...


def _type(each: SchemaField) -> Any:
    if each.kind is Kind.CATEGORY:
        return Literal[each.levels]
    if each.kind is Kind.DATE:
        # a JSON date is text; strict mode would take only a date object
        return Annotated[date, Field(strict=False)]
    return int if each.kind is Kind.INTEGER else float
