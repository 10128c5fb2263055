"""A split by date cuts between dates; a hashed one depends on a row's content only."""

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchard_use_case import transform_file
from servicio_ml.domain.use_case import ColumnSplit, DateSplit, GroupSplit, HashedSplit
from servicio_ml.errors import ContractError
from servicio_ml.pipeline.etl.split import TEST, assign_split
from servicio_ml.pipeline.reading.transform import STATUS
from servicio_ml.use_cases.catalogue import find

START = date(2020, 1, 1)
BY_DATE = DateSplit(field="day", test_share=0.2)
HASHED = HashedSplit(test_share=0.25)


def _split_by_date(days: list[int], split: DateSplit = BY_DATE) -> pl.DataFrame:
    rows = pl.LazyFrame({"day": [START + timedelta(days=day) for day in days]})
    return assign_split(rows, split, ["day"]).collect()


@given(st.lists(st.integers(0, 30), min_size=2, max_size=200).filter(lambda days: len(set(days)) > 1))
def test_no_date_is_on_both_sides_and_the_share_is_met(days: list[int]) -> None:
    sides = _split_by_date(days)
    test, train = sides.filter(TEST), sides.filter(~pl.col(TEST))
    assert len(train) > 0
    assert len(test) > 0
    assert train["day"].max() < test["day"].min()  # type: ignore[operator]  # dates, both present
    # all of the cut's own day is for testing: without that day the share would be missed
    share = 0.2 * len(days)
    later = int((sides["day"] > test["day"].min()).sum())
    assert later < share or len(set(days)) == 2
    assert len(test) >= share or len(train) == days.count(min(days))


def test_dates_of_one_row_each_give_the_very_share() -> None:
    assert _split_by_date(list(range(100)))[TEST].to_list() == [False] * 80 + [True] * 20


def test_a_first_date_with_most_rows_is_all_for_training() -> None:
    assert _split_by_date([0] * 9 + [1])[TEST].to_list() == [False] * 9 + [True]


def test_one_date_cannot_be_split() -> None:
    with pytest.raises(ContractError, match="all rows are of 2020-01-01"):
        _split_by_date([0, 0, 0])


def _split_by_hash(rows: pl.DataFrame, fields: list[str]) -> pl.Series:
    return assign_split(rows.lazy(), HASHED, fields).collect()[TEST]


ROWS = pl.DataFrame({"a": [i / 7 for i in range(4000)], "b": [f"level {i % 11}" for i in range(4000)]})


def test_the_share_is_about_met() -> None:
    assert _split_by_hash(ROWS, ["a", "b"]).mean() == pytest.approx(0.25, abs=0.03)


def test_a_row_keeps_its_side_among_other_rows_and_with_other_columns() -> None:
    sides = _split_by_hash(ROWS, ["a", "b"])
    fewer = ROWS.with_columns(c=pl.lit(1))[::-3]
    assert _split_by_hash(fewer, ["a", "b"]).to_list() == sides[::-3].to_list()


def test_equal_rows_are_on_one_side() -> None:
    sides = _split_by_hash(pl.concat([ROWS, ROWS.with_columns(c=pl.lit(2)).drop("c")]), ["a", "b"])
    assert sides[:4000].to_list() == sides[4000:].to_list()


def test_texts_that_run_together_differ() -> None:
    rows = pl.DataFrame({"a": ["x" * i for i in range(64)], "b": ["x" * (64 - i) for i in range(64)]})
    assert 0 < _split_by_hash(rows, ["a", "b"]).sum() < 64


def test_another_process_gives_the_same_sides() -> None:
    """The hash must not hang on the process's hash seed."""
    code = (
        "import polars as pl\nfrom servicio_ml.domain.use_case import HashedSplit\n"
        "from servicio_ml.pipeline.etl.split import TEST, assign_split\n"
        "rows = pl.LazyFrame({'a': [i / 7 for i in range(64)]})\n"
        "print(assign_split(rows, HashedSplit(test_share=0.25), ['a']).collect()[TEST].cast(int).to_list())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == str(_split_by_hash(ROWS[:64], ["a"]).cast(pl.Int64).to_list())


def test_the_hash_is_pinned() -> None:
    """Another hash would move rows between the sides of periods that are compared."""
    sides = _split_by_hash(ROWS[:24], ["a", "b"])
    assert [i for i, test in enumerate(sides) if test] == [6, 7, 11, 13, 15, 17, 18]


@pytest.mark.real_data
def test_the_rain_of_2015_11_10_and_later_is_for_testing(data_dir: Path, tmp_path: Path) -> None:
    use_case = find("rain_australia")
    kept = transform_file(data_dir / "weatherAUS.csv", use_case, tmp_path).filter(pl.col(STATUS) == "kept")
    sides = assign_split(kept.lazy(), use_case.split, use_case.schema.field_names).collect()
    assert sides.filter(TEST)["date"].min() == date(2015, 11, 10)
    assert sides.filter(~pl.col(TEST))["date"].max() == date(2015, 11, 9)


def _list_test_groups(count: int) -> list[int]:
    rows = pl.LazyFrame({"group": [i % count for i in range(3 * count)], "x": list(range(3 * count))})
    sides = assign_split(rows, GroupSplit(field="group", test_share=0.25), ["x"]).collect()
    both = sides.group_by("group").agg(pl.col(TEST).n_unique())
    assert both[TEST].to_list() == [1] * count
    return sorted(sides.filter(TEST)["group"].unique())


def test_a_group_is_on_one_side_and_keeps_it_when_others_come() -> None:
    assert _list_test_groups(24) == [7, 9, 13, 17, 23]
    assert [group for group in _list_test_groups(400) if group < 24] == [7, 9, 13, 17, 23]
    assert len(_list_test_groups(4000)) == pytest.approx(1000, abs=60)


def test_a_column_says_which_rows_are_test_rows() -> None:
    rows = pl.LazyFrame({"part": ["train", "held out", "train"]})
    sides = assign_split(rows, ColumnSplit(field="part", test="held out"), []).collect()
    assert sides[TEST].to_list() == [False, True, False]
