"""Manifests: every row is accounted for, and JSON loses nothing."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from servicio_ml.domain.dataset import Manifest, RowCounts
from servicio_ml.errors import ContractError
from servicio_ml.use_cases.catalogue import find

STATUSES = ("train", "test", "quarantined", "duplicates", "unlabelled", "later")
ROWS = st.integers(0, 10**9)
PARTITIONS = st.fixed_dictionaries(dict.fromkeys(STATUSES, ROWS))


@given(counts=PARTITIONS, read=ROWS)
def test_rows_that_are_lost_or_won_are_an_error(counts: dict[str, int], read: int) -> None:
    assume(read != sum(counts.values()))
    with pytest.raises(ContractError, match=f"{read} rows read, {sum(counts.values())} accounted for"):
        RowCounts(read=read, **counts)


@given(counts=PARTITIONS)
def test_json_loses_nothing(counts: dict[str, int]) -> None:
    manifest = Manifest(
        use_case="rain_australia",
        period="2016-06",
        source="weatherAUS.csv",
        raw="rain_australia/raw/0f.csv",
        digest="0f",
        files={"train": "rain_australia/2016-06/train-0f.parquet"},
        counts=RowCounts(read=sum(counts.values()), **counts),
        schema=find("rain_australia").schema,
        dropped={"sunshine": "separates the target at 4"},
        train_test_duplicates=3,
    )
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest
