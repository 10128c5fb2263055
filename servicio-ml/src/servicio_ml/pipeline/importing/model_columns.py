"""Columns that a model reads, as fields and derived columns of the platform's schema."""

from collections.abc import Mapping, Sequence
from typing import cast

from servicio_ml.domain.derived import Fitted
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import ModelImportError, format_names
from servicio_ml.features.isolated.worker_document import ColumnType, ModelColumn
from servicio_ml.model_worker.conversion.input_columns import CATEGORY, INTEGER, NUMBER, TEXT, InputColumn
from servicio_ml.pipeline.importing.table import KINDS, ModelRows


def match_columns(
    rows: ModelRows, use_case: UseCase, schema: FeatureSchema, categories: Mapping[str, Sequence[str]]
) -> tuple[InputColumn, ...]:
    """Match each column that the model reads with the field, or the derived column, that holds its values.

    Args:
        rows: Rows with the columns.
        use_case: The use case.
        schema: Schema of the platform's matrix.
        categories: Columns that the model reads as categories of pandas, with their texts.

    Raises:
        ModelImportError: A column has no field, or one that does not hold its values.
    """
    fields = {each.name: each for each in schema.fields}
    fields |= {each.columns[0]: each for each in schema.fields}
    _refuse_unknown_columns(rows, {*fields, *(each.name for each in schema.derived)})
    _refuse_fitted_columns(rows, use_case)
    return tuple(
        _match_field(rows, name, schema, fields[name], is_category=name in categories)
        if name in fields
        else InputColumn(name=name, place=schema.names.index(name), type=NUMBER, nullable=True)
        for name in rows.columns
    )


def _refuse_unknown_columns(rows: ModelRows, known: set[str]) -> None:
    if absent := [name for name in rows.columns if name not in known]:
        raise ModelImportError(
            rows.source_name,
            f"the use case has no field or derived column for {format_names(absent)} that the model reads;"
            " give one with --use-case",
        )


def _refuse_fitted_columns(rows: ModelRows, use_case: UseCase) -> None:
    fitted = {each.name for each in use_case.schema.derived if isinstance(each, Fitted)}
    if found := sorted(fitted.intersection(rows.columns)):
        raise ModelImportError(
            rows.source_name,
            f"the derived column {found[0]!r} is fitted on the rows of a training here; write it as a Lookup"
            " with the numbers that the model was trained with",
        )


def _match_field(
    rows: ModelRows, name: str, schema: FeatureSchema, field: Field, *, is_category: bool
) -> InputColumn:
    kind = _find_type(rows, name, field)
    has_gaps = name in rows.frame and bool(rows.frame[name].isna().any())
    is_number = kind in {NUMBER, INTEGER} and name in rows.frame
    return InputColumn(
        name=name, place=schema.names.index(field.name),
        type=CATEGORY if is_category and kind == TEXT else kind, field=field.name,
        levels=field.levels if kind == TEXT else (), nullable=has_gaps or field.nullable,
        decimals=rows.count_decimals(name) if is_number else 0,
    )  # fmt: skip


def _find_type(rows: ModelRows, name: str, field: Field) -> str:
    """Find the type of a column: as pandas reads it, or as its field gives it where the field computes it.

    Raises:
        ModelImportError: The field holds other values than the column.
    """
    own = next((kind for kind, kinds in KINDS.items() if kinds[0] is field.kind), "")
    if not own:
        raise ModelImportError(
            rows.source_name,
            f"the column {name!r} is a {field.kind}, which no imported model reads; derive numbers",
        )
    kind = rows.find_type(name) if name in rows.frame else own
    if field.parse != Parse():
        return kind if field.kind in KINDS[kind] else own
    _check_values(rows, name, field, kind)
    return kind


def _check_values(rows: ModelRows, name: str, field: Field, kind: str) -> None:
    if field.kind not in KINDS[kind]:
        raise ModelImportError(
            rows.source_name, f"the column {name!r} holds {kind} values, and its field is a {field.kind}"
        )
    if field.kind is Kind.CATEGORY and name in rows.frame:
        _check_levels(rows, name, field)


def _check_levels(rows: ModelRows, name: str, field: Field) -> None:
    if changed := sorted(set(rows.list_texts(name)) - set(field.levels)):
        raise ModelImportError(
            rows.source_name,
            f"the text {changed[0]!r} of the column {name!r} is no level of its field; levels are"
            f" {format_names(field.levels[:10])}",
        )


def build_worker_columns(
    columns: Sequence[InputColumn], schema: FeatureSchema, categories: Mapping[str, Sequence[str]]
) -> list[ModelColumn]:
    """Build the columns of the document of an isolated model."""
    return [
        ModelColumn(
            name=each.name, field=each.field or schema.names[each.place], type=cast("ColumnType", each.type),
            levels=list(categories.get(each.name, ())) if each.type == CATEGORY else [],
        )
        for each in columns
    ]  # fmt: skip
