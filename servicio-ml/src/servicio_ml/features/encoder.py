"""Encoder of records and tables into one float32 matrix, the same on every interface."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from servicio_ml.domain.fields.date_time import SECONDS_PER_DAY
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.features.column_values import (
    NUMERIC,
    OnFault,
    build_reader,
    raise_fault,
    read_list,
    read_one_by_one,
    read_series,
)
from servicio_ml.features.derivation import Derivation
from servicio_ml.features.kinds.dated_columns import build_moment_counter, count_text_days
from servicio_ml.features.kinds.text_columns import TextReader

Matrix = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]
NAN = float("nan")
TOLERANCE = 1e-3
"""Part of a second by which a fraction of a day may fall short."""


class Encoder:
    """Encodes records and tables of one schema.

    A number stays unchanged, a category becomes the index of its level, a boolean 0 or 1, a date its days
    since 1970-01-01, a missing value NaN. The value of a date-time is its days with a fraction, of which the
    matrix has two columns: days and seconds. `SchemaChecker` validates ranges.

    Attributes:
        schema: Schema of the records.
        value_width: Number of values of a row before they are rounded: one for each field, and for each word.
        value_columns: Number of the matrix's columns that hold values of fields; the others are derived.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        self.schema = schema
        self._derivation = Derivation(schema)
        self._width = len(schema.names)
        self._readers = [(each.name, build_reader(each)) for each in schema.fields]
        self._coded = [
            (i, _build_validated_reader(each))
            for i, each in enumerate(schema.fields)
            if each.kind not in {*NUMERIC, Kind.TEXT}
        ]
        self._timed = [*schema.seconds.items()]
        self._texts = [
            (i, schema.fields[i].name, columns, TextReader(schema.fields[i]))
            for i, columns in schema.words.items()
        ]
        # values have no seconds: those of a date-time are a fraction
        self._shift = len(self._timed)
        self.value_columns = len(schema.owners)
        self.value_width = self.value_columns - self._shift
        # zeros in the place of the columns that are computed for the full batch at once
        self._room = (0.0,) * (self._width - len(schema.fields))
        names = schema.field_names
        self._values: Callable[[Mapping[str, Any]], tuple[Any, ...]] = (
            itemgetter(*names) if len(names) > 1 else lambda record: (record[names[0]],)
        )

    def encode_record(self, record: Mapping[str, Any]) -> Matrix:
        """Encode one record as `[1, features]`, see `encode_records`."""
        return self.encode_records((record,))

    def encode_records(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        """Encode records as `[n, features]`; absent fields are missing, unknown ones are ignored.

        Raises:
            EncodingError: A value has the wrong type, or is no level of its category.
        """
        values, readers = np.empty((len(records), self.value_width)), self._readers
        for row, record in enumerate(records):
            # bound once per record: the lookup of the method would be repeated for each field
            get = record.get
            values[row, : len(readers)] = [read(get(name)) for name, read in readers]
        for column, name, words, reader in self._texts:
            self._put_words(values, column, words, [reader.read(record.get(name)) for record in records])
        return self.encode_values(values)

    def _put_words(self, values: Values, column: int, words: slice, rows: Any) -> None:
        """Write the number of words of a text, and its words, into the values."""
        found = np.asarray(rows, dtype=np.float64).reshape(len(values), 1 + words.stop - words.start)
        values[:, column] = found[:, 0]
        values[:, words.start - self._shift : words.stop - self._shift] = found[:, 1:]

    def encode_validated(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        """Encode records of `features.request` without the derived columns; faster than `encode_records`."""
        rows = [[*self._values(record), *self._room] for record in records]
        for column, read in self._coded:
            for row in rows:
                row[column] = read(row[column])
        for column, place in self._timed:
            for row in rows:
                row[column], row[place] = _split_days(row[column])
        for column, _, words, reader in self._texts:
            for row in rows:
                row[column], *row[words] = reader.read(row[column])
        # NumPy reads None as NaN
        return np.array(rows, dtype=np.float32)

    def read_columns(
        self, columns: Mapping[str, Sequence[Any] | None], rows: int, on_fault: OnFault = raise_fault
    ) -> Values:
        """Read lists of `rows` values by field as `[rows, fields]`, before they are rounded to float32.

        Args:
            columns: Numbers, or values that `encode_records` takes; an absent field is missing.
            rows: Number of values of each list.
            on_fault: Called for each value that has the wrong type, or is no level of its category.
        """
        values = np.full((rows, self.value_width), np.nan)
        for column, (each, (name, read)) in enumerate(zip(self.schema.fields, self._readers, strict=True)):
            given = columns.get(name)
            if given is not None and each.kind is not Kind.TEXT:
                values[:, column] = read_list(given, each, read, on_fault)
        for column, name, words, reader in self._texts:
            if (texts := columns.get(name)) is not None:
                self._put_words(
                    values, column, words, read_one_by_one(texts, reader.read, on_fault, reader.width)
                )
        return values

    def read_frame(self, frame: Any, on_fault: OnFault = raise_fault) -> Values:
        """Read a data frame or Arrow table as `[n, fields]`, before it is rounded to float32.

        Args:
            frame: Eager frame of polars, pandas or pyarrow; an absent column is missing.
            on_fault: Called for each value that is no day, or no level of its category.

        Raises:
            EncodingError: A column has the wrong type.
        """
        table = nw.from_native(frame, eager_only=True)
        values = np.full((len(table), self.value_width), np.nan)
        for column, each in enumerate(self.schema.fields):
            if each.name in table.columns and each.kind is not Kind.TEXT:
                values[:, column] = read_series(table[each.name], each, on_fault)
        for column, name, words, reader in self._texts:
            if name in table.columns:
                found = read_one_by_one(reader.list_texts(table[name]), reader.read, on_fault, reader.width)
                self._put_words(values, column, words, found)
        return values

    def encode_values(self, values: Values) -> Matrix:
        """Encode values of the fields `[n, fields]` as `[n, features]`, rounded to float32."""
        matrix = np.empty((len(values), self._width), dtype=np.float32)
        # a number beyond float32 becomes infinite, which no field accepts
        with np.errstate(over="ignore"):
            fields = len(self._readers)
            matrix[:, :fields] = values[:, :fields]
            matrix[:, fields + self._shift : values.shape[1] + self._shift] = values[:, fields:]
        for column, place in self._timed:
            matrix[:, column], matrix[:, place] = _split_days(values[:, column])
        self._derivation.fill(matrix)
        return matrix

    def encode_frame(self, frame: Any) -> Matrix:
        """Encode a data frame or Arrow table as `[n, features]`, see `read_frame`."""
        return self.encode_values(self.read_frame(frame))

    def derive(self, matrix: Matrix) -> None:
        """Compute the derived columns of a matrix `[n, features]` again after a change of its fields."""
        self._derivation.fill(matrix)


def _build_validated_reader(each: Field) -> Callable[[Any], float]:
    """Build the reader of a field with levels, or of a date, whose values the record model has checked."""
    if each.has_levels:
        # one dictionary lookup per value; None has an entry of its own
        codes: dict[str | bool | None, float] = {None: NAN}
        for code, pair in enumerate(zip(each.levels, each.choices, strict=True)):
            codes |= dict.fromkeys(pair, float(code))
        return codes.__getitem__
    count = count_text_days if each.kind is Kind.DATE else build_moment_counter(each.zone)
    if not each.nullable:
        return count
    return lambda text: NAN if text is None else count(text)


def _split_days(days: Any) -> tuple[Any, Any]:
    """Split days with the time of day as a fraction, `[n]` or one, into whole days and whole seconds."""
    whole = np.floor(days)
    # a fraction of a day is exact to some microseconds
    seconds = np.floor((days - whole) * SECONDS_PER_DAY + TOLERANCE)
    return whole, np.minimum(seconds, SECONDS_PER_DAY - 1)
