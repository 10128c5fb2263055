"""Rows that a model is imported with, as pandas reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from servicio_ml.domain.schema import FeatureSchema, Kind
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import ModelImportError, format_names
from servicio_ml.model_worker.conversion.input_columns import BOOLEAN, INTEGER, NUMBER, TEXT
from servicio_ml.pipeline.drafting.corrections import LEFT_OUT, ColumnCorrection
from servicio_ml.pipeline.reading.input_file import InputFile

MAX_LEVELS = 2_000
MAX_DECIMALS = 6
"""A float32 holds about seven digits."""
KINDS = {
    NUMBER: (Kind.NUMBER, Kind.INTEGER), INTEGER: (Kind.INTEGER, Kind.NUMBER), BOOLEAN: (Kind.BOOLEAN,),
    TEXT: (Kind.CATEGORY,),
}  # fmt: skip
"""Kinds of fields that hold the values of a column, by its type; a drafted field is of the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRows:
    """Rows with the columns that a model reads.

    Attributes:
        frame: Every column of the file, as pandas reads it.
        columns: Names of the columns that the model reads, in its order; the file may lack those that the
            use case computes.
        target: Column with the ground truth; empty where the file has none.
        source_name: Name by which the user knows the file, for messages.
    """

    frame: pd.DataFrame
    columns: tuple[str, ...]
    target: str
    source_name: str

    def find_type(self, name: str) -> str:
        """Find the type of a column; a text is `TEXT` also where the model reads it as a category."""
        return _find_type(self.frame[name])

    def list_texts(self, name: str) -> list[str]:
        """List the texts of a column, sorted."""
        return sorted(map(str, self.frame[name].dropna().unique()))

    def count_decimals(self, name: str) -> int:
        """Count the decimals of a column's numbers, up to `MAX_DECIMALS`."""
        values = self.frame[name].to_numpy(dtype=np.float64)
        values = values[np.isfinite(values)]
        for decimals in range(MAX_DECIMALS):
            if np.array_equal(np.round(values, decimals), values):
                return decimals
        return MAX_DECIMALS

    def build_corrections(self) -> dict[str, ColumnCorrection]:
        """Build the corrections by which a draft has the model's columns, as the model reads them."""
        found = {name: ColumnCorrection(kind=LEFT_OUT) for name in self.frame.columns}
        for name in self.columns:
            kind = self.find_type(name)
            levels = tuple(self.list_texts(name)) if kind == TEXT else ()
            found[name] = ColumnCorrection(kind=KINDS[kind][0], levels=levels)
        found.pop(self.target, None)
        return found


def read_model_rows(
    file: InputFile,
    columns: tuple[str, ...],
    targets: Sequence[str],
    known: UseCase | None,
    *,
    needs_target: bool,
) -> ModelRows:
    """Read a file as pandas does.

    Args:
        file: CSV, JSON lines or Parquet.
        columns: Names of the columns that the model reads; empty where it knows none: it then reads the
            inputs of a use case with derived columns in their order, else all of the file but the target.
        targets: Columns that may hold the ground truth; the first that the file has does.
        known: The use case; None where it is drafted from the file.
        needs_target: Whether the file must have the ground truth.

    Raises:
        ModelImportError: The file lacks a column, or has one of another type than a model of tables reads.
    """
    frame = _read_frame(file)
    frame.columns = pd.Index(names := list(map(str, frame.columns)))
    schema = known.schema if known else FeatureSchema(fields=())
    target = next((name for name in targets if name in names), "")
    columns = columns or _list_model_columns(schema, names, target)
    wanted = [*columns, *(targets if needs_target and not target else ())]
    _check_names(file.source_name, columns, _list_missing(schema, names, wanted), targets)
    if target in columns:
        raise ModelImportError(file.source_name, f"the model reads the target {target!r} itself")
    rows = ModelRows(frame=frame, columns=columns, target=target, source_name=file.source_name)
    for name in columns:
        _check_column(rows, name)
    return rows


def _list_missing(schema: FeatureSchema, names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """List the columns that the file does not have and the use case does not compute."""
    known = {*names, *schema.field_names, *(each.name for each in schema.derived)}
    return [name for name in wanted if name not in known]


def _list_model_columns(schema: FeatureSchema, names: Sequence[str], target: str) -> tuple[str, ...]:
    """List the columns of a model that names none."""
    if schema.derived:
        return tuple(schema.names[place] for place in schema.inputs)
    return tuple(name for name in names if name != target)


def _check_names(
    source_name: str, columns: Sequence[str], missing: Sequence[str], targets: Sequence[str]
) -> None:
    if missing:
        wanted = f", and the target is {targets[0]!r}" if targets else ""
        raise ModelImportError(
            source_name,
            f"it lacks the columns {format_names(missing)}; the model reads {format_names(columns)}{wanted}",
        )


def _read_frame(file: InputFile) -> pd.DataFrame:
    try:
        if file.is_parquet:
            return pd.read_parquet(file.path)
        with file.open_text() as text:
            if file.text_format.is_json:
                return pd.read_json(text, lines=True)
            # `open_text` gives UTF-8, whatever the file has
            return pd.read_csv(text, sep=file.text_format.delimiter, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ModelImportError(file.source_name, f"pandas cannot read it: {error}") from error


def _check_column(rows: ModelRows, name: str) -> None:
    if name not in rows.frame:
        # the use case computes it
        return
    column = rows.frame[name]
    if column.isna().all():
        raise ModelImportError(rows.source_name, f"the column {name!r} is empty")
    if _find_type(column) == TEXT and (count := column.nunique()) > MAX_LEVELS:
        raise ModelImportError(
            rows.source_name,
            f"the column {name!r} has {count} texts, more than {MAX_LEVELS}; a model of texts or identifiers"
            " cannot be imported",
        )


def _find_type(column: Any) -> str:
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        return TEXT
    if pd.api.types.is_bool_dtype(kind):
        return BOOLEAN
    if pd.api.types.is_integer_dtype(kind):
        return INTEGER
    if pd.api.types.is_float_dtype(kind):
        return NUMBER
    if pd.api.types.is_datetime64_any_dtype(kind):
        raise ModelImportError(
            f"column {column.name!r}", "dates are not read by imported models; derive numbers"
        )
    return TEXT
