"""Tables of the server as data frames, with the types that `pandas.read_csv` gives the same values."""

import numpy as np
import pandas as pd
import pyarrow as pa

TEXT = pd.Series(["text"]).dtype
"""Type of texts: `object` in pandas 2, `str` in pandas 3."""
MOMENT = pd.to_datetime(pd.Series(["2020-01-01"])).dtype
"""Type of dates: nanoseconds in pandas 2, microseconds in pandas 3."""
PANDAS_TYPES = {} if pd.api.types.is_object_dtype(TEXT) else {pa.string(): TEXT}
"""Types of pandas where Arrow's own choice is another one."""


def read_table(payload: bytes | bytearray) -> pa.Table:
    """Read an Arrow stream."""
    with pa.ipc.open_stream(payload) as reader:
        return reader.read_all()


def build_frame(table: pa.Table) -> pd.DataFrame:
    """Build the data frame of a table.

    A missing text or truth value is NaN, an integer column with a missing value is float64.
    """
    # all columns at once: of one row, each by itself takes as long as a simple model
    frame: pd.DataFrame = table.to_pandas(
        types_mapper=PANDAS_TYPES.get, ignore_metadata=True, use_threads=False
    )
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            frame[name] = frame[name].astype(MOMENT)
        elif column.null_count and frame[name].dtype == object:
            # Arrow makes None of a missing truth value, and of a missing text in pandas 2
            frame[name] = frame[name].where(frame[name].notna(), np.nan)
    return frame
