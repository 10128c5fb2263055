"""The encoder: records or a table become one float32 matrix, the same on every road."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from operator import itemgetter
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.errors import EncodingError
from servicio_ml.features.derivation import Derivation

Matrix = npt.NDArray[np.float32]
NAN = float("nan")
EPOCH = date(1970, 1, 1)
EPOCH_ORDINAL = EPOCH.toordinal()
NUMBERS = (float, int)
NUMERIC = (Kind.NUMBER, Kind.INTEGER)


class Encoder:
    """Encodes by one schema.

    Numbers stay as they are, a category becomes the index of its level, a date its days since 1970-01-01,
    anything missing NaN. Ranges are not checked here: that is validation's work.

    Attributes:
        schema: What it encodes by.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        self.schema = schema
        self._derivation = Derivation(schema)
        self._width = len(schema.names)
        self._readers = [(each.name, _reader(each)) for each in schema.fields]
        self._coded = [
            (i, read)
            for i, (each, (_, read)) in enumerate(zip(schema.fields, self._readers, strict=True))
            if each.kind not in NUMERIC
        ]
        self._room = (0.0,) * len(schema.derived)
        names = schema.field_names
        self._values: Callable[[Mapping[str, Any]], tuple[Any, ...]] = (
            itemgetter(*names) if len(names) > 1 else lambda record: (record[names[0]],)
        )

    def record(self, record: Mapping[str, Any]) -> Matrix:
        """One record as `[1, features]`; see `records`."""
        return self.records((record,))

    def records(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        """Records by field name as `[n, features]`; an absent field is missing, an unknown one is ignored.

        Raises:
            EncodingError: A value is of the wrong type, or no level of its category.
        """
        matrix = np.empty((len(records), self._width), dtype=np.float32)
        width, readers = len(self._readers), self._readers
        for row, record in enumerate(records):
            get = record.get
            matrix[row, :width] = [read(get(name)) for name, read in readers]
        self._derivation.fill(matrix)
        return matrix

    def validated(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        """As `records`, of what a request model has validated, and without the derived columns; quicker."""
        rows = [[*self._values(record), *self._room] for record in records]
        for column, read in self._coded:
            for row in rows:
                row[column] = read(row[column])
        # NumPy reads None as NaN
        return np.array(rows, dtype=np.float32)

    def columns(self, columns: Mapping[str, Sequence[Any] | None], rows: int) -> Matrix:
        """Lists of `rows` values by field name as `[rows, features]`; see `records`."""
        matrix = np.empty((rows, self._width), dtype=np.float32)
        for column, (each, (name, read)) in enumerate(zip(self.schema.fields, self._readers, strict=True)):
            values = columns.get(name)
            if values is None:
                matrix[:, column] = np.nan
            elif each.kind in NUMERIC:
                # NumPy reads None as NaN
                matrix[:, column] = np.array(values, dtype=np.float64)
            else:
                matrix[:, column] = [read(value) for value in values]
        self._derivation.fill(matrix)
        return matrix

    def derive(self, matrix: Matrix) -> None:
        """Fill the derived columns of a matrix `[n, features]` anew, after its fields changed."""
        self._derivation.fill(matrix)

    def frame(self, frame: Any) -> Matrix:
        """A data frame or an Arrow table with a column for each field as `[n, features]`.

        Args:
            frame: Whatever eager frame Narwhals knows (polars, pandas, pyarrow); an absent column is missing.

        Raises:
            EncodingError: As `records`.
        """
        table = nw.from_native(frame, eager_only=True)
        matrix = np.empty((len(table), self._width), dtype=np.float32)
        for column, each in enumerate(self.schema.fields):
            matrix[:, column] = _column(table[each.name], each) if each.name in table.columns else np.nan
        self._derivation.fill(matrix)
        return matrix

    def decode(self, row: npt.NDArray[np.float32]) -> dict[str, Any]:
        """A record that encodes to the fields of a matrix row."""
        return {
            # by way of the shortest text that names the float32: 12.1, not 12.100000381
            each.name: None if np.isnan(value) else _decoded(each, float(str(value)))
            for each, value in zip(self.schema.fields, row, strict=False)
        }


def days(text: str | date) -> int:
    """Days since 1970-01-01 of a date or of its ISO text."""
    return (date.fromisoformat(text) if isinstance(text, str) else text).toordinal() - EPOCH_ORDINAL


def _reader(each: Field) -> Callable[[Any], float]:
    if each.kind is Kind.CATEGORY:
        return _category_reader(each)
    return _date_reader(each) if each.kind is Kind.DATE else _number_reader(each)


def _number_reader(each: Field) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if type(value) in NUMBERS:
            return value  # type: ignore[no-any-return]  # NumPy narrows int and float alike
        if value is None:
            return NAN
        if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
            return float(value)
        raise EncodingError(each.name, value, each.allowed)

    return read


def _category_reader(each: Field) -> Callable[[Any], float]:
    codes: dict[Any, float] = {level: float(code) for code, level in enumerate(each.levels)} | {None: NAN}

    def read(value: Any) -> float:
        try:
            return codes[value]
        except (KeyError, TypeError):
            raise EncodingError(each.name, value, each.allowed) from None

    return read


def _date_reader(each: Field) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if value is None:
            return NAN
        try:
            return days(value)
        except (ValueError, TypeError, AttributeError):
            raise EncodingError(each.name, value, each.allowed) from None

    return read


def _column(series: nw.Series[Any], each: Field) -> npt.NDArray[np.float32]:
    if each.kind is Kind.CATEGORY:
        return _category_column(series, each)
    if each.kind is Kind.DATE:
        return _date_column(series, each)
    if series.dtype != nw.Unknown and not series.dtype.is_numeric() and series.null_count() < len(series):
        raise EncodingError(each.name, series.drop_nulls()[0], each.allowed)
    return _floats(series)


def _category_column(series: nw.Series[Any], each: Field) -> npt.NDArray[np.float32]:
    if series.null_count() == len(series):
        return np.full(len(series), np.nan, dtype=np.float32)
    text = series.cast(nw.String)
    known = text.is_in(each.levels) | text.is_null()
    if not known.all():
        raise EncodingError(each.name, series.filter(~known)[0], each.allowed)
    codes = [float(code) for code in range(len(each.levels))]
    return _floats(text.replace_strict([*each.levels], codes, default=None, return_dtype=nw.Float64))


def _date_column(series: nw.Series[Any], each: Field) -> npt.NDArray[np.float32]:
    if series.null_count() == len(series):
        return np.full(len(series), np.nan, dtype=np.float32)
    if isinstance(series.dtype, (nw.Date, nw.Datetime)):
        out = np.full(len(series), np.nan, dtype=np.float32)
        filled = ~np.asarray(series.is_null().to_numpy(), dtype=bool)
        moments = np.asarray(series.filter(~series.is_null()).to_numpy(), dtype="datetime64[D]")
        out[filled] = moments.astype(np.int64)
        return out
    read, values = _date_reader(each), series.to_list()
    if series.dtype == nw.String:
        # a table has far fewer days than rows
        known = {text: read(text) for text in set(values)}
        return np.array([known[text] for text in values], dtype=np.float32)
    return np.array([read(value) for value in values], dtype=np.float32)


def _floats(series: nw.Series[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64).astype(np.float32)


def _decoded(each: Field, value: float) -> float | int | str:
    if each.kind is Kind.CATEGORY:
        return each.levels[int(value)]
    if each.kind is Kind.DATE:
        return date.fromordinal(int(value) + EPOCH_ORDINAL).isoformat()
    return int(value) if each.kind is Kind.INTEGER else value
