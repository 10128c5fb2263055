"""Columns that a model reads, as fields of the platform's schema."""

from collections.abc import Mapping, Sequence
from typing import cast

from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.errors import ModelImportError, format_names
from servicio_ml.features.isolated.worker_document import ColumnType, ModelColumn
from servicio_ml.model_worker.conversion.input_columns import (
    BOOLEAN,
    CATEGORY,
    INTEGER,
    NUMBER,
    TEXT,
    InputColumn,
)
from servicio_ml.pipeline.importing.table import ModelRows

KINDS = {
    NUMBER: {Kind.NUMBER, Kind.INTEGER}, INTEGER: {Kind.NUMBER, Kind.INTEGER}, BOOLEAN: {Kind.BOOLEAN},
    TEXT: {Kind.CATEGORY},
}  # fmt: skip
"""Kinds of fields by the type of a column."""


def match_columns(
    rows: ModelRows, schema: FeatureSchema, categories: Mapping[str, Sequence[str]]
) -> tuple[InputColumn, ...]:
    """Match each column that the model reads with the field that holds its values.

    Args:
        rows: Rows with the columns.
        schema: Schema of the platform's matrix.
        categories: Columns that the model reads as categories of pandas, with their texts.

    Raises:
        ModelImportError: A column has no field, or one that does not hold its values unchanged.
    """
    by_column = {each.columns[0]: (place, each) for place, each in enumerate(schema.fields)}
    by_column |= {each.name: (place, each) for place, each in enumerate(schema.fields)} | by_column
    if absent := [name for name in rows.columns if name not in by_column]:
        raise ModelImportError(
            rows.source_name,
            f"the use case has no field for the columns {format_names(absent)} that the model reads; give one"
            " with --use-case",
        )
    return tuple(
        _match_column(rows, name, *by_column[name], is_category=name in categories) for name in rows.columns
    )


def _match_column(rows: ModelRows, name: str, place: int, field: Field, *, is_category: bool) -> InputColumn:
    kind = rows.find_type(name)
    if field.kind not in KINDS[kind]:
        raise ModelImportError(
            rows.source_name, f"the column {name!r} holds {kind} values, and its field is a {field.kind}"
        )
    nullable = bool(rows.frame[name].isna().any()) or field.nullable
    if kind in {NUMBER, INTEGER}:
        decimals = rows.count_decimals(name)
        return InputColumn(name=name, place=place, type=kind, nullable=nullable, decimals=decimals)
    if kind == BOOLEAN:
        return InputColumn(name=name, place=place, type=kind, nullable=nullable)
    texts = set(rows.list_texts(name))
    if changed := sorted(texts - set(field.levels)):
        raise ModelImportError(
            rows.source_name,
            f"the text {changed[0]!r} of the column {name!r} is no level of its field; levels are"
            f" {format_names(field.levels[:10])}",
        )
    return InputColumn(
        name=name, place=place, type=CATEGORY if is_category else TEXT, levels=field.levels,
        nullable=nullable,
    )  # fmt: skip


def build_worker_columns(
    columns: Sequence[InputColumn], schema: FeatureSchema, categories: Mapping[str, Sequence[str]]
) -> list[ModelColumn]:
    """Build the columns of the document of an isolated model."""
    return [
        ModelColumn(
            name=each.name, field=schema.fields[each.place].name, type=cast("ColumnType", each.type),
            levels=list(categories.get(each.name, ())) if each.type == CATEGORY else [],
        )
        for each in columns
    ]  # fmt: skip
