"""Columns of texts: the number of known words, then 1 or 0 for each word."""

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np

from servicio_ml.domain.fields.words import MAX_CHARACTERS, find_words
from servicio_ml.domain.schema import Field
from servicio_ml.errors import EncodingError

TEXTS = (nw.String, nw.Categorical, nw.Enum)
NAN = float("nan")


class TextReader:
    """Reads the texts of one field as `[n, 1 + words]`; a missing text is NaN in every column.

    Attributes:
        width: Number of columns.
    """

    def __init__(self, each: Field) -> None:
        self._field, self.width = each, 1 + len(each.words)
        self._missing = [NAN] * self.width

    def read(self, text: Any) -> list[float]:
        """Read one text.

        Raises:
            EncodingError: The value is no text, or too long.
        """
        if text is None or (isinstance(text, float) and np.isnan(text)):
            return self._missing
        if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
            raise EncodingError(self._field.name, text, self._field.allowed)
        found = find_words(text, self._field.words)
        return [sum(found), *found]

    def list_texts(self, series: nw.Series[Any]) -> Sequence[Any]:
        """List the texts of a column of a table.

        Raises:
            EncodingError: The column has the wrong type.
        """
        if series.null_count() < len(series) and series.dtype not in {*TEXTS, nw.Object}:
            raise EncodingError(self._field.name, series.drop_nulls()[0], self._field.allowed)
        return series.to_list()
