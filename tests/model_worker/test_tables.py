"""A table becomes the data frame that pandas reads from a file with the same values."""

from datetime import datetime
from io import StringIO
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from servicio_ml.features.isolated.scorer import write_table
from servicio_ml.model_worker.tables import build_frame, read_table

MOMENT = datetime(2020, 1, 31, 12)  # noqa: DTZ001  as pandas reads it


@pytest.mark.parametrize(
    ("column", "text", "options"),
    [
        (pa.array([1.5, None]), "1.5\nNA\n", {}),
        (pa.array([1, 2]), "1\n2\n", {}),
        (pa.array([1, None], pa.int64()), "1\nNA\n", {}),
        (pa.array(["a", None]), "a\nNA\n", {}),
        (pa.array([True, False]), "True\nFalse\n", {}),
        (pa.array([True, None]), "True\nNA\n", {}),
        (pa.array([MOMENT, None], pa.timestamp("us")), "2020-01-31 12:00:00\nNA\n", {"parse_dates": ["x"]}),
    ],
    ids=["float", "int", "int with a gap", "text with a gap", "bool", "bool with a gap", "date with a gap"],
)
def test_a_column_is_as_pandas_reads_it_from_a_file(
    column: pa.Array, text: str, options: dict[str, Any]
) -> None:
    found = build_frame(read_table(write_table(pa.table({"x": column}))))
    pd.testing.assert_frame_equal(found, pd.read_csv(StringIO("x\n" + text), **options))


def test_a_text_column_without_texts_is_still_one() -> None:
    found = build_frame(read_table(write_table(pa.table({"x": pa.array([None], pa.string())}))))
    assert found["x"].dtype == pd.Series(["a"]).dtype
    assert found["x"].isna().tolist() == [True]


def test_categories_keep_their_order() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([1, None], pa.int32()), pa.array(["z", "a"]))
    found = build_frame(read_table(write_table(pa.table({"x": column}))))["x"]
    assert found.cat.categories.tolist() == ["z", "a"]
    assert found.cat.codes.tolist() == [1, -1]
