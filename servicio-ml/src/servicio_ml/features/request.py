"""The pydantic request model of a schema."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from servicio_ml.domain.schema import FeatureSchema, Kind
from servicio_ml.domain.schema import Field as SchemaField
from servicio_ml.features.check import bounds_of

CONFIG = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def request_model(schema: FeatureSchema, name: str = "Record") -> type[BaseModel]:
    """A frozen model of one record: unknown fields are refused, nullable ones may be null or absent.

    Args:
        schema: Its fields give types, ranges, levels, units and examples.
        name: Of the class, as shown in OpenAPI.
    """
    parts: dict[str, Any] = {each.name: _part(each) for each in schema.fields}
    return create_model(name, __config__=CONFIG, **parts)


def batch_model(schema: FeatureSchema, max_rows: int, name: str = "Batch") -> type[BaseModel]:
    """A frozen model of many records: either `records`, or `columns` with a list for each field.

    Args:
        schema: As in `request_model`.
        max_rows: Most records.
        name: Of the class; its parts are called `<name>Record` and `<name>Columns`.
    """
    lengths = Field(min_length=1, max_length=max_rows)
    lists: dict[str, Any] = {each.name: _list(each, lengths) for each in schema.fields}
    record = request_model(schema, f"{name}Record")
    columns = create_model(f"{name}Columns", __config__=CONFIG, **lists)
    # the types are made here, out of a type checker's sight
    parts: dict[str, Any] = {
        "records": (Annotated[list[record] | None, lengths], None),  # type: ignore[valid-type]
        "columns": (columns | None, None),
    }
    return create_model(name, __config__=CONFIG, **parts)


def _list(each: SchemaField, lengths: Any) -> tuple[Any, Any]:
    kind, default = _part(each)
    values: Any = list[kind]  # type: ignore[valid-type]  # made here
    if default is None:
        return Annotated[values | None, lengths], None
    return Annotated[values, lengths], ...


def _part(each: SchemaField) -> tuple[Any, Any]:
    details = Field(
        description=f"{each.description} [{each.unit}]" if each.unit else each.description,
        examples=[each.example],
        **_bounds(each),
    )
    kind = _type(each)
    if each.nullable:
        return Annotated[kind | None, details], None
    return Annotated[kind, details], ...


def _bounds(each: SchemaField) -> dict[str, Any]:
    if each.kind in {Kind.CATEGORY, Kind.DATE}:
        return {}
    least, greatest = bounds_of(each)
    return {"ge": least, "le": greatest}


def _type(each: SchemaField) -> Any:
    if each.kind is Kind.CATEGORY:
        return Literal[each.levels]
    if each.kind is Kind.DATE:
        # a JSON date is text; strict mode would take only a date object
        return Annotated[date, Field(strict=False)]
    return int if each.kind is Kind.INTEGER else float
