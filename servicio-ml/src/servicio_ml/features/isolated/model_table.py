"""The table that an isolated model reads, built from the matrix of the platform."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from servicio_ml.domain.fields.date_time import SECONDS_PER_DAY
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.errors import ArtifactError
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.isolated.decimals import recover_decimals
from servicio_ml.features.isolated.worker_document import ColumnType, ModelColumn

BuildColumn = Callable[[Matrix], pa.Array]
Mask = npt.NDArray[np.bool_]
NUMBERS, LEVELS, DATES = (
    {Kind.NUMBER, Kind.INTEGER},
    {Kind.CATEGORY, Kind.BOOLEAN},
    {Kind.DATE, Kind.DATETIME},
)
ARROW_TYPES = {
    "float64": pa.float64(),
    "int64": pa.int64(),
    "string": pa.string(),
    "bool": pa.bool_(),
}
MICROSECONDS = 1_000_000


class ModelTable:
    """Builder of a model's table.

    Args:
        name: Name of the model, for messages.
        schema: Schema of the matrix.
        columns: Columns of the table.

    Raises:
        ArtifactError: A column names no field, or has a type that its field cannot give.
    """

    def __init__(self, name: str, schema: FeatureSchema, columns: Sequence[ModelColumn]) -> None:
        self._name, self._schema = name, schema
        self._builders = {each.name: self._select_builder(each) for each in columns}

    def build(self, matrix: Matrix) -> pa.Table:
        """Build the table of a matrix `[n, features]`; NaN is null."""
        return pa.table({name: build(matrix) for name, build in self._builders.items()})

    def _select_builder(self, column: ModelColumn) -> BuildColumn:
        schema = self._schema
        if column.field in {each.name for each in schema.derived} and column.type == "float64":
            return _build_numbers(schema.names.index(column.field), column.type)
        if column.field not in schema.field_names:
            raise self._refuse(column, f"the schema has no field {column.field!r}")
        index = schema.field_names.index(column.field)
        field = schema.fields[index]
        try:
            build = _select_field_builder(index, field, column, schema.seconds.get(index))
        except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError) as error:
            raise self._refuse(column, f"levels: {error}") from error
        if build is None:
            raise self._refuse(column, f"a field of kind {field.kind.value} gives no {column.type}")
        return build

    def _refuse(self, column: ModelColumn, problem: str) -> ArtifactError:
        return ArtifactError(self._name, f"worker.json, column {column.name!r}: {problem}; import it again")


def _select_field_builder(
    index: int, field: Field, column: ModelColumn, seconds: int | None
) -> BuildColumn | None:
    if field.kind in LEVELS:
        return _build_levels(index, field, column)
    if field.kind in NUMBERS and column.type in {"float64", "int64"}:
        return _build_numbers(index, column.type)
    if field.kind in DATES and column.type in {"datetime", "string"}:
        return _build_dates(index, seconds, column.type)
    return None


def _build_numbers(index: int, kind: ColumnType) -> BuildColumn:
    def build(matrix: Matrix) -> pa.Array:
        values = recover_decimals(matrix[:, index])
        # a column of integers that gets a fraction is float64 in pandas too
        if kind == "int64" and np.array_equal(values, np.rint(values), equal_nan=True):
            missing = np.isnan(values)
            return pa.array(np.where(missing, 0, values).astype(np.int64), mask=missing)
        return pa.array(values, from_pandas=True)

    return build


def _build_levels(index: int, field: Field, column: ModelColumn) -> BuildColumn:
    if column.type == "category":
        return _build_categories(index, field, column)
    values = _list_values(field, column)
    if column.type == "datetime":
        raise ValueError(f"a field of kind {field.kind.value} gives no datetime")
    # typed here, so that a level that is no number is found when the model is loaded
    table = pa.array(values, type=ARROW_TYPES[column.type])

    def build(matrix: Matrix) -> pa.Array:
        return table.take(_read_codes(matrix[:, index]))

    return build


def _build_categories(index: int, field: Field, column: ModelColumn) -> BuildColumn:
    categories = [*column.levels] or [*field.choices]
    places = {value: place for place, value in enumerate(categories)}
    # a level that the model does not know is missing, as pandas makes it
    table = pa.array([places.get(value) for value in field.choices], type=pa.int32())
    dictionary = pa.array(categories)

    def build(matrix: Matrix) -> pa.Array:
        return pa.DictionaryArray.from_arrays(table.take(_read_codes(matrix[:, index])), dictionary)

    return build


def _list_values(field: Field, column: ModelColumn) -> list[Any]:
    if not column.levels:
        return [*field.choices]
    if len(column.levels) != len(field.choices):
        raise ValueError(f"{len(column.levels)} values for the {len(field.choices)} levels of {field.name!r}")
    return column.levels


def _read_codes(values: npt.NDArray[np.float32]) -> pa.Array:
    missing = np.isnan(values)
    return pa.array(np.where(missing, 0, values).astype(np.int32), mask=missing)


def _build_dates(index: int, seconds: int | None, kind: ColumnType) -> BuildColumn:
    unit: Literal["D", "s"] = "D" if seconds is None else "s"

    def build(matrix: Matrix) -> pa.Array:
        days = matrix[:, index].astype(np.float64)
        missing = np.isnan(days)
        whole = np.where(missing, 0, days).astype(np.int64) * SECONDS_PER_DAY
        if seconds is not None:
            whole += np.where(missing, 0, matrix[:, seconds]).astype(np.int64)
        if kind == "datetime":
            return pa.array(whole * MICROSECONDS, mask=missing).cast(pa.timestamp("us"))
        moments: npt.NDArray[np.datetime64] = whole.astype("datetime64[s]")
        texts = np.datetime_as_string(moments, unit=unit)
        return pa.array(texts.astype(object), type=pa.string(), mask=missing)

    return build
