"""Rows of a file as the platform reads them, and as tables of the columns that a model reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import ModelImportError
from servicio_ml.features.check import SchemaChecker
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.features.isolated.model_table import ModelTable
from servicio_ml.model_worker.conversion.input_columns import INTEGER, NUMBER, InputColumn
from servicio_ml.pipeline.importing.model_columns import build_worker_columns
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import InputFile
from servicio_ml.pipeline.reading.text import LINE
from servicio_ml.pipeline.reading.transform import REASON

DERIVED_TOLERANCE = 1e-5
"""Greatest difference of a derived column from that of the file, relative where it is above 1: float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedRows:
    """Rows of a file.

    Attributes:
        frame: The fields of the schema that the file holds.
        refused: Number of rows that the use case refuses.
        source_name: Name by which the user knows the file, for messages.
    """

    frame: pl.DataFrame
    refused: int
    source_name: str


def read_typed_rows(
    file: InputFile, use_case: UseCase, schema: FeatureSchema, given: Sequence[str] = ()
) -> TypedRows:
    """Read a file as the platform does when it scores one.

    Args:
        file: The file.
        use_case: Use case whose dialects are tried.
        schema: Schema of the matrix.
        given: Derived columns of the schema that the file holds too, which must be equal.

    Raises:
        DataError: The file cannot be read, no row of it can be used, or a derived column is another one.
    """
    batches = open_batches(file, InputSpec(schema=schema, use_case=use_case, keep_columns=tuple(given)))
    encoder = Encoder(schema)
    read = [batches.prepare(raw) for raw in batches.raw_frames]
    found = pl.concat([_select_usable(rows, encoder) for rows in read]) if read else pl.DataFrame()
    total, names = sum(map(len, read)), [name for name in schema.field_names if name in found.columns]
    if found.is_empty():
        raise ModelImportError(file.source_name, f"the use case refuses each of its {total} rows")
    for working, name in batches.file_format.kept_columns.items():
        _compare_derived(found, schema, encoder, name, working, file.source_name)
    return TypedRows(frame=found.select(names), refused=total - len(found), source_name=file.source_name)


def _select_usable(rows: pl.DataFrame, encoder: Encoder) -> pl.DataFrame:
    checker = SchemaChecker(encoder.schema)
    usable = rows.filter(pl.col(REASON).is_null())
    return usable.filter(~np.asarray(checker.mark_invalid(encoder.read_frame(usable)).any(axis=1)))


def _compare_derived(
    rows: pl.DataFrame, schema: FeatureSchema, encoder: Encoder, name: str, working: str, source_name: str
) -> None:
    """Compare a derived column with that of the file: the definition must be that of the model's own code.

    Raises:
        ModelImportError: They differ in a row.
    """
    mine = encoder.encode_frame(rows)[:, schema.names.index(name)].astype(np.float64)
    theirs = rows[working].cast(pl.Float64, strict=False).to_numpy()
    close = np.isclose(mine, theirs, rtol=DERIVED_TOLERANCE, atol=DERIVED_TOLERANCE, equal_nan=True)
    if len(wrong := np.flatnonzero(~close)):
        row, line = int(wrong[0]), rows[LINE][int(wrong[0])]
        raise ModelImportError(
            source_name,
            f"the derived column {name!r} of the use case is {mine[row]:g} in line {line}, and"
            f" the file has {theirs[row]:g}; {len(wrong)} of {len(rows)} rows differ: mend its definition",
        )


class ModelInputs:
    """Tables of the columns that a model reads.

    Args:
        uri: Address of the model, for messages.
        schema: Schema of the matrix.
        columns: The columns.
        categories: Those that are categories of pandas, with their texts.

    Attributes:
        columns: The columns.
        worker_columns: These columns in the document of an isolated model.
    """

    def __init__(
        self,
        uri: str,
        schema: FeatureSchema,
        columns: Sequence[InputColumn],
        categories: Mapping[str, Sequence[str]],
    ) -> None:
        self.columns, self.worker_columns = columns, build_worker_columns(columns, schema, categories)
        self._encoder, self._table = Encoder(schema), ModelTable(uri, schema, self.worker_columns)

    def list_nullable_fields(self) -> list[str]:
        """List the fields that may be missing, of those that the model or its derived columns read."""
        own = [each.field for each in self.columns if each.field and each.nullable]
        others = self._find_derived_sources() - {*own}
        nullable = [each.name for each in self._encoder.schema.fields if each.nullable]
        return [*own, *(name for name in nullable if name in others)]

    def _find_derived_sources(self) -> set[str]:
        schema, places = self._encoder.schema, {each.place for each in self.columns if not each.field}
        read = [each for each in schema.derived if schema.names.index(each.name) in places]
        return {name for each in read for name in each.sources}

    def encode(self, frame: pd.DataFrame) -> Matrix:
        """Encode rows of fields as the matrix of the platform, `[n, features]`."""
        return self._encoder.encode_frame(pl.from_pandas(frame))

    def build_from_matrix(self, matrix: Matrix) -> pa.Table:
        """Build the table of a matrix, as the server does."""
        return self._table.build(matrix)

    def build(self, frame: pd.DataFrame, matrix: Matrix) -> pa.Table:
        """Build the table of rows of fields, whose numbers have all their digits.

        Args:
            frame: The rows.
            matrix: Matrix of these rows, `[n, features]`.
        """
        table = self._table.build(matrix)
        for place, each in enumerate(self.columns):
            if each.type in {NUMBER, INTEGER} and each.field in frame.columns:
                exact = pa.array(frame[each.field].to_numpy(dtype=np.float64), from_pandas=True)
                # a column of integers that gets a fraction is float64 in pandas too
                kind = table.schema.field(place).type
                table = table.set_column(place, each.name, exact.cast(kind, safe=False))
        return table
