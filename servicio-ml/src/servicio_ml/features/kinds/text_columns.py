"""Columns of texts: the number of known words, then 1 or 0 for each word."""

from collections.abc import Callable, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from servicio_ml.domain.fields.words import MAX_CHARACTERS, WordFinder
from servicio_ml.domain.schema import Field
from servicio_ml.errors import EncodingError

TEXTS = (nw.String, nw.Categorical, nw.Enum)
NAN = float("nan")


class TextReader:
    """Reads the texts of one field as `[n, 1 + words]`; a missing text is NaN in every column."""

    def __init__(self, each: Field) -> None:
        self._field, self._finder = each, WordFinder(each.words)
        self._missing = [NAN] * (1 + len(each.words))

    def read(self, text: Any) -> list[float]:
        """Read one text.

        Raises:
            EncodingError: The value is no text, or too long.
        """
        if text is None or (isinstance(text, float) and np.isnan(text)):
            return self._missing
        if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
            raise EncodingError(self._field.name, text, self._field.allowed)
        found = self._finder.find(text)
        return [sum(found), *found]

    def read_list(
        self, texts: Sequence[Any], on_fault: Callable[[EncodingError], None]
    ) -> npt.NDArray[np.float64]:
        """Read a list of texts; a fault counts as missing if `on_fault` returns."""
        rows = np.empty((len(texts), len(self._missing)))
        known: dict[str, list[float]] = {}
        for row, text in enumerate(texts):
            try:
                found = known.get(text) if isinstance(text, str) else None
                rows[row] = found or self.read(text)
            except EncodingError as error:
                error.row, rows[row] = row, self._missing
                on_fault(error)
                continue
            if isinstance(text, str):
                known[text] = rows[row].tolist()
        return rows

    def read_series(
        self, series: nw.Series[Any], on_fault: Callable[[EncodingError], None]
    ) -> npt.NDArray[np.float64]:
        """Read a column of a table.

        Raises:
            EncodingError: The column has the wrong type.
        """
        if series.null_count() < len(series) and series.dtype not in {*TEXTS, nw.Object}:
            raise EncodingError(self._field.name, series.drop_nulls()[0], self._field.allowed)
        return self.read_list(series.to_list(), on_fault)
