"""Decoder of the encoded matrix: the fields of its rows as Arrow columns, or as records."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from servicio_ml.domain.fields.date_time import SECONDS_PER_DAY
from servicio_ml.domain.schema import FeatureSchema, Field, Kind

Matrix = npt.NDArray[np.float32]
Column = Any
"""Arrow array; pyarrow has no types."""
TYPES: Mapping[Kind, Any] = {
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.CATEGORY: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.DATETIME: pa.timestamp("s"),
    Kind.TEXT: pa.string(),
}
"""Type of the column by kind of the field."""


def decode_fields(schema: FeatureSchema, matrix: Matrix) -> dict[str, Column]:
    """Decode a matrix `[n, fields or features]` into a column of `n` values for each field, by its name.

    A text has those of its words that the model knows, in the order of the model, each once: the matrix
    holds no others. A missing value is null.
    """
    return {each.name: decode_field(schema, i, matrix) for i, each in enumerate(schema.fields)}


def decode_field(schema: FeatureSchema, index: int, matrix: Matrix) -> Column:
    """Decode the column of the field with an index, see `decode_fields`."""
    field, values = schema.fields[index], matrix[:, index]
    if field.has_levels:
        return decode_codes(field.choices, values)
    missing = np.isnan(values)
    if field.kind is Kind.NUMBER:
        # through the shortest text of the float32: 12.1, not 12.100000381
        return pa.array(values, mask=missing).cast(pa.string()).cast(pa.float64())
    if field.kind is Kind.TEXT:
        return _join_words(field, matrix[:, schema.words[index]], missing)
    whole = np.where(missing, 0, values).astype(np.int64)
    if field.kind is Kind.DATETIME:
        seconds = np.where(missing, 0, matrix[:, schema.seconds[index]]).astype(np.int64)
        whole = whole * SECONDS_PER_DAY + seconds
    elif field.kind is Kind.DATE:
        whole = whole.astype(np.int32)
    return pa.array(whole, mask=missing).cast(TYPES[field.kind])


def decode_codes(choices: Sequence[str | bool], codes: npt.NDArray[np.floating[Any]]) -> Column:
    """Decode codes `[n]` into their choices; NaN, and a code without a choice, is null."""
    known = (codes >= 0) & (codes < len(choices))
    indices = pa.array(np.where(known, codes, 0).astype(np.int64), mask=~known)
    # without choices the array would have the type null
    return pa.array(choices, None if choices else pa.string()).take(indices)


def decode_records(schema: FeatureSchema, matrix: Matrix) -> list[dict[str, Any]]:
    """Decode a matrix into records, as requests have them: dates are texts, missing values None."""
    columns = decode_fields(schema, matrix)
    values = [format_moments(column).to_pylist() for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def format_moments(column: Column) -> Column:
    """Format dates and date-times as ISO 8601 text; other columns are returned as they are."""
    if not pa.types.is_temporal(column.type):
        return column
    return pc.replace_substring(column.cast(pa.string()), " ", "T")


def _join_words(field: Field, has_word: Matrix, missing: npt.NDArray[np.bool_]) -> Column:
    rows, words = np.nonzero(has_word > 0)
    ends = np.searchsorted(rows, np.arange(len(has_word) + 1)).astype(np.int32)
    each = pa.array(field.words, pa.string()).take(pa.array(words))
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), each), " ")
    return pc.if_else(pa.array(missing), None, joined)
