"""Pydantic request models of a schema."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic_core import CoreSchema, core_schema

from servicio_ml.domain.fields.date_time import parse_datetime
from servicio_ml.domain.fields.identifier import IDENTIFIER, MAX_IDENTIFIER_CHARACTERS, parse_identifier
from servicio_ml.domain.fields.words import MAX_CHARACTERS
from servicio_ml.domain.schema import FeatureSchema, Kind
from servicio_ml.domain.schema import Field as SchemaField
from servicio_ml.domain.values import (
    BOOLEAN_LEVELS,
    DATE_PATTERN,
    DATETIME_PATTERN,
    LevelFinder,
    map_codes,
)

# strict: the text "3" for a number is a client's mistake that coercion would hide
CONFIG = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def build_record_model(schema: FeatureSchema, name: str = "Record", identifier: str = "") -> type[BaseModel]:
    """Build a frozen model of one record: unknown fields are refused, nullable ones may be null or absent.

    Args:
        schema: Schema with types, ranges, levels, units and examples.
        name: Name of the class in OpenAPI.
        identifier: Raw column of the row's identifier, which a record may have beside its fields; empty
            without one.
    """
    definitions: dict[str, Any] = {each.name: _build_field_definition(each) for each in schema.fields}
    if identifier:
        definitions[IDENTIFIER] = (_build_identifier_type(_IDENTIFIER_TYPE, identifier), None)
    return create_model(name, __config__=CONFIG, **definitions)


def build_batch_model(
    schema: FeatureSchema, max_rows: int, name: str = "Batch", identifier: str = ""
) -> type[BaseModel]:
    """Build a frozen model of many records: either `records`, or `columns` with a list for each field.

    Args:
        schema: Schema of the records.
        max_rows: Maximum number of records.
        name: Name of the class; its components are `<name>Record` and `<name>Columns`.
        identifier: As for `build_record_model`.
    """
    lengths = _limit_length(max_rows)
    lists: dict[str, Any] = {each.name: _build_list_type(each, lengths) for each in schema.fields}
    if identifier:
        values = Annotated[list[_IDENTIFIER_TYPE] | None, lengths]
        lists[IDENTIFIER] = (_build_identifier_type(values, identifier), None)
    record = build_record_model(schema, f"{name}Record", identifier)
    columns = create_model(f"{name}Columns", __config__=CONFIG, **lists)
    # the types are created at run time, so a type checker cannot see them
    definitions: dict[str, Any] = {
        "records": (Annotated[list[record] | None, lengths], None),  # type: ignore[valid-type]
        "columns": (columns | None, None),
    }
    return create_model(name, __config__=CONFIG, **definitions)


def build_array_adapter(record: type[BaseModel], max_rows: int) -> TypeAdapter[Sequence[BaseModel]]:
    """Build the validator of records in a bare array.

    Args:
        record: Model of one record.
        max_rows: Maximum number of records.
    """
    # the type is created at run time, so a type checker cannot see it
    array: Any = Annotated[list[record], _limit_length(max_rows)]  # type: ignore[valid-type]
    return TypeAdapter(array)


def _limit_length(max_rows: int) -> Any:
    return Field(min_length=1, max_length=max_rows)


def _build_list_type(each: SchemaField, lengths: Any) -> tuple[Any, Any]:
    kind, default = _build_field_definition(each)
    values: Any = list[kind]  # type: ignore[valid-type]  # created above
    if default is None:
        return Annotated[values | None, lengths], None
    return Annotated[values, lengths], ...


def _build_field_definition(each: SchemaField) -> tuple[Any, Any]:
    details = Field(
        description=f"{each.description} [{each.unit}]" if each.unit else each.description,
        examples=[each.example],
    )
    kind = _build_value_type(each)
    if each.nullable:
        return Annotated[kind | None, details], None
    return Annotated[kind, details], ...


def _build_identifier_type(kind: Any, column: str) -> Any:
    description = f"Text that identifies the row, as in the column {column!r}: kept beside it, no feature."
    return Annotated[kind, Field(description=description)]


def _build_value_type(each: SchemaField) -> Any:
    if each.kind is Kind.CATEGORY:
        return _build_level_type(each)
    if each.kind in _PLAIN_TYPES:
        return _PLAIN_TYPES[each.kind]
    if each.kind is Kind.DATETIME:
        return _build_datetime_type(each)
    low, high = each.limits
    if each.kind is Kind.NUMBER:
        return Annotated[float, Field(ge=low, le=high)]
    bounds = core_schema.int_schema(ge=int(low), le=int(high))
    document = {"type": "integer", "minimum": low, "maximum": high}
    return Annotated[int, _CoreType(core_schema.chain_schema([_WHOLE_NUMBER, bounds]), document)]


def _build_datetime_type(each: SchemaField) -> Any:
    document = {"type": "string", "format": "date-time"}
    core: CoreSchema = core_schema.str_schema(strict=True, pattern=DATETIME_PATTERN)
    if each.zone:

        def check(text: str) -> str:
            # the first and the last day may lie in another zone
            parse_datetime(text, each.zone)
            return text

        core = core_schema.chain_schema([core, core_schema.no_info_plain_validator_function(check)])
    return Annotated[str, _CoreType(core, document)]


def _build_level_type(each: SchemaField) -> Any:
    learned = each.learned_levels is not None
    # only these levels may be meant by other values: the others keep the faster type
    if not learned and not map_codes(each.levels) and not {"true", "false"}.intersection(each.levels):
        return Literal[each.levels]
    finder = LevelFinder(each.levels, learned=learned)

    def find(value: object) -> str:
        if (level := finder.find(value)) is None:
            raise ValueError(value)
        return level

    core = core_schema.union_schema(
        [core_schema.literal_schema([*each.levels]), core_schema.no_info_plain_validator_function(find)],
        mode="left_to_right",
        custom_error_type="literal_error",
        custom_error_context={"expected": each.allowed},
    )
    document: dict[str, Any] = {"type": "string"} if learned else {"type": "string", "enum": [*each.levels]}
    return Annotated[str, _CoreType(core, document)]


class _CoreType:
    """Annotation of a type by Pydantic's own core, whose validators run without Python.

    Args:
        core: Schema of the validator.
        document: JSON schema for OpenAPI.
    """

    def __init__(self, core: CoreSchema, document: dict[str, Any]) -> None:
        self._core, self._document = core, document

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        return self._core

    def __get_pydantic_json_schema__(self, _core: object, _handler: object) -> dict[str, Any]:
        return {**self._document}


# text, since Pydantic's own dates take numbers and their texts as well
_CORE_DATE = _CoreType(
    core_schema.str_schema(strict=True, pattern=DATE_PATTERN), {"type": "string", "format": "date"}
)
# the texts as well, as for a category of these levels
_CORE_BOOLEAN = _CoreType(
    core_schema.union_schema(
        [core_schema.bool_schema(strict=True), core_schema.literal_schema([*BOOLEAN_LEVELS])],
        mode="left_to_right",
        custom_error_type="bool_type",
    ),
    {"type": "boolean"},
)
_PLAIN_TYPES: Mapping[Kind, Any] = {
    Kind.BOOLEAN: Annotated[bool, _CORE_BOOLEAN],
    Kind.DATE: Annotated[str, _CORE_DATE],
    Kind.TEXT: Annotated[str, Field(max_length=MAX_CHARACTERS)],
}
"""Types of the kinds that no field narrows."""
IDENTIFIER_DOCUMENT: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "maxLength": MAX_IDENTIFIER_CHARACTERS}, {"type": "integer"}, {"type": "null"}
    ]
}  # fmt: skip
"""JSON schema of the identifier of a row."""
_IDENTIFIER_TYPE: Any = Annotated[
    str | None,
    _CoreType(core_schema.no_info_plain_validator_function(parse_identifier), IDENTIFIER_DOCUMENT),
]
_WHOLE_NUMBER = core_schema.union_schema(
    [
        core_schema.int_schema(strict=True),
        # the first takes numbers only, the second whole ones only
        core_schema.chain_schema(
            [core_schema.float_schema(strict=True), core_schema.int_schema(strict=False)]
        ),
    ],
    mode="left_to_right",
    custom_error_type="int_type",
)
"""A whole number, also one that is written as 5.0."""
