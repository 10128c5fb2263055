"""Tables of the server as data frames, with the types that `pandas.read_csv` gives the same values."""

import numpy as np
import pandas as pd
import pyarrow as pa

TEXT = pd.Series(["text"]).dtype
"""Type of texts: `object` in pandas 2, `str` in pandas 3."""
MOMENT = pd.to_datetime(pd.Series(["2020-01-01"])).dtype
"""Type of dates: nanoseconds in pandas 2, microseconds in pandas 3."""


def read_table(payload: bytes | bytearray) -> pd.DataFrame:
    """Read an Arrow stream as a data frame.

    A missing text or truth value is NaN, an integer column with a missing value is float64.
    """
    with pa.ipc.open_stream(payload) as reader:
        table = reader.read_all()
    return pd.DataFrame({name: _convert_column(table[name]) for name in table.column_names})


def _convert_column(column: pa.ChunkedArray) -> pd.Series:
    if pa.types.is_string(column.type):
        return pd.Series([np.nan if text is None else text for text in column.to_pylist()], dtype=TEXT)
    if pa.types.is_boolean(column.type) and column.null_count:
        return pd.Series([np.nan if known is None else known for known in column.to_pylist()], dtype=object)
    found: pd.Series = column.to_pandas()
    return found.astype(MOMENT) if pa.types.is_timestamp(column.type) else found
