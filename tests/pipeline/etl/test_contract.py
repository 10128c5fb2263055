"""Rows that break the contract are not published."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from orchard_use_case import FIELDS, GRADE, PRICE, TARGET
from servicio_ml.domain.use_case import Target
from servicio_ml.errors import ContractError
from servicio_ml.pipeline.etl import contract
from servicio_ml.pipeline.etl.contract import verify

ROWS = pl.DataFrame(
    {
        "line": [2, 3],
        "day": [date(2020, 1, 1), date(2020, 1, 2)],
        "weight": [180.0, None],
        "seeds": [7, 0],
        "colour": ["red", None],
        "sugar": [12.5, None],
        "ripe": ["yes", "no"],
    }
)


def _verify(rows: pl.DataFrame, folder: Path) -> int:
    rows.write_parquet(folder / "train.parquet")
    return verify(folder / "train.parquet", FIELDS, TARGET)


def test_rows_that_keep_it_are_counted(tmp_path: Path) -> None:
    assert _verify(ROWS, tmp_path) == 2
    assert _verify(ROWS.clear(), tmp_path) == 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows.with_columns(weight=pl.lit(0.5)), "weight breaks greater_than_or_equal_to"),
        (lambda rows: rows.with_columns(seeds=pl.lit(20_001)), "seeds breaks less_than_or_equal_to"),
        (lambda rows: rows.with_columns(colour=pl.lit("blue")), "colour breaks isin"),
        (lambda rows: rows.with_columns(ripe=pl.lit("perhaps")), "ripe breaks isin"),
        (lambda rows: rows.with_columns(day=pl.lit(None, pl.Date)), "day breaks not_nullable"),
        (lambda rows: rows.with_columns(ripe=pl.lit(None, pl.String)), "ripe breaks not_nullable"),
        (lambda rows: rows.with_columns(seeds=pl.col("seeds").cast(pl.Float64)), "seeds breaks dtype"),
        (lambda rows: rows.drop("sugar"), "column"),
        (lambda rows: rows.with_columns(more=pl.lit(1)), "column"),
        (lambda rows: rows.select(reversed(rows.columns)), "column"),
    ],
    ids=["low", "high", "level", "label", "null", "no label", "type", "lacking", "more", "order"],
)
def test_rows_that_break_it_are_refused(
    tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame], problem: str
) -> None:
    with pytest.raises(ContractError, match="train: the rows break the contract") as caught:
        _verify(change(ROWS), tmp_path)
    assert problem in str(caught.value)
    assert str(caught.value).endswith("nothing was published")


def test_every_batch_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "BATCH_ROWS", 10)
    rows = pl.concat([ROWS] * 15)
    assert _verify(rows, tmp_path) == 30
    last = pl.when(pl.int_range(pl.len()) == 29).then(0.5).otherwise(pl.col("weight"))
    with pytest.raises(ContractError, match="weight"):
        _verify(rows.with_columns(weight=last), tmp_path)


@pytest.mark.parametrize(
    ("target", "good", "bad"),
    [(PRICE, [1.0, 100.0], [1.0, 101.0]), (GRADE, ["C", "A"], ["C", "D"])],
    ids=["number", "class"],
)
def test_the_target_is_what_is_published(
    tmp_path: Path, target: Target, good: list[object], bad: list[object]
) -> None:
    for values in (good, bad):
        rows = ROWS.drop("ripe").with_columns(pl.Series(target.name, values))
        rows.write_parquet(tmp_path / "train.parquet")
        if values is good:
            assert verify(tmp_path / "train.parquet", FIELDS, target) == 2
    with pytest.raises(ContractError, match=target.name):
        verify(tmp_path / "train.parquet", FIELDS, target)
