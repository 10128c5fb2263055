"""The rows that Evidently gets; importing it takes seconds."""

import pandas as pd
import pytest

from servicio_ml.adapters.evidently.frames import build_rows
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.features.encoder import Encoder

pytestmark = pytest.mark.slow


def test_it_gets_the_moment_of_a_date_time() -> None:
    start = Field(name="start", kind=Kind.DATETIME, direct=False)
    size = Field(name="size", kind=Kind.NUMBER, nullable=True)
    end = Field(name="end", kind=Kind.DATETIME, nullable=True)
    schema = FeatureSchema(fields=(start, size, end))
    record = {"start": "2016-06-15T18:30:00", "size": 2.5, "end": "2016-06-16T00:30:00"}
    matrix = Encoder(schema).encode_records([record, {**record, "end": None}])
    frame = build_rows(schema, matrix)
    assert frame["start"].tolist() == [pd.Timestamp("2016-06-15T18:30")] * 2
    assert frame["end"].tolist()[0] == pd.Timestamp("2016-06-16T00:30")
    assert frame["end"].isna().tolist() == [False, True]
