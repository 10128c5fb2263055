"""The overview says of the published rows what NumPy, pandas and SciPy say of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy
from scipy.stats.contingency import association
from sklearn.metrics import mutual_info_score

from orchard_use_case import (
    FIELDS,
    HEADER,
    LAST_DAY,
    build_grade_use_case,
    build_price_use_case,
    build_row,
    build_rows,
    build_use_case,
    write_csv,
)
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.use_case import UseCase
from servicio_ml.lifecycle.overview import OverviewColumn, PeriodOverview
from servicio_ml.pipeline.etl.contract import select_levels
from servicio_ml.pipeline.etl.split import TEST, assign_split
from servicio_ml.pipeline.etl.staging import stage, write_data_files
from servicio_ml.pipeline.overview.bins import build_bins
from servicio_ml.pipeline.overview.build import build_overview
from servicio_ml.pipeline.overview.columns import MAX_SHOWN_LEVELS
from servicio_ml.pipeline.overview.counts import BATCH_ROWS
from servicio_ml.pipeline.reading.input_file import copy_input_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.use_cases.catalogue import find

ROWS = 400
MAX_BYTES = 300_000
DIGITS, DECIMALS = 1e-6, 6e-5
BY_COLOUR = PromotionPolicy(metric="f1", floor=0.1, slices=("colour",))


def _build_overview(
    use_case: UseCase, source: Path, folder: Path, last: date = LAST_DAY
) -> tuple[PeriodOverview, pd.DataFrame]:
    """The overview of a raw file, and the published rows."""
    snapshot = copy_input_file(source, "my file", folder)
    raw = read_rows(snapshot, use_case)
    staged = stage(snapshot, raw, use_case, last)
    schema = use_case.schema.drop_fields(raw.absent_fields)
    sided = assign_split(staged.kept, use_case.split, schema.field_names)
    schema = select_levels(schema, sided.filter(~pl.col(TEST)), SilentProgress())
    files = write_data_files(staged, sided, schema.fields, folder)
    made = build_overview(use_case, schema, staged.plan, raw.dialect.name, files)
    published = pl.read_parquet([files["train"], files["test"]])
    # the lake holds every text of a learned category, the overview its levels
    learned = (each for each in schema.fields if each.learned_levels)
    texts = ((pl.col(each.name), each.levels) for each in learned)
    seen = (pl.when(text.is_in([*levels])).then(text).otherwise(pl.lit("other")) for text, levels in texts)
    return made, published.with_columns(seen).to_pandas()


@pytest.fixture
def of_rows(tmp_path: Path) -> Callable[..., tuple[PeriodOverview, pd.DataFrame]]:
    def build(
        rows: Sequence[tuple[str, ...]], use_case: UseCase | None = None
    ) -> tuple[PeriodOverview, pd.DataFrame]:
        return _build_overview(
            use_case or build_use_case(), write_csv(tmp_path / "a.csv", rows, HEADER), tmp_path
        )

    return build


OverviewFactory = Callable[..., tuple[PeriodOverview, pd.DataFrame]]


def _create_rows_with_gaps() -> list[tuple[str, ...]]:
    rows = build_rows(ROWS)
    return [
        (cells[0], "NA" if i % 7 == 0 else cells[1], *cells[2:4], "NA" if i % 3 == 0 else cells[4], cells[5])
        for i, cells in enumerate(rows)
    ]


def _index_columns(made: PeriodOverview) -> Mapping[str, OverviewColumn]:
    return {each.name: each for each in made.columns}


def _check_overview(made: PeriodOverview, rows: pd.DataFrame) -> None:
    """Every figure is the one that pandas gives of the rows, and of the numbers of words of a text."""
    texts = [each.name for each in made.columns if each.kind is Kind.TEXT]
    rows = rows.assign(**{name: rows[name].str.count(r"\w+") for name in texts})
    assert made.rows == len(rows)
    assert [each.name for each in made.columns] == [*rows.columns.drop("line")]
    for column in made.columns:
        values = rows[column.name].dropna()
        assert (column.count, column.missing) == (len(values), len(rows) - len(values))
        assert column.unique == values.nunique()
        times = values.value_counts()
        assert [each.rows for each in column.frequent] == sorted(times, reverse=True)[:5]
        for each in column.frequent:
            value = pd.Timestamp(each.value) if column.kind is Kind.DATE else each.value
            assert times[value] == each.rows
        if column.kind in {Kind.NUMBER, Kind.INTEGER}:
            _check_numbers(column, values)
        _check_bins(made, column, rows)


def _check_numbers(column: OverviewColumn, values: pd.Series) -> None:
    assert column.mean == pytest.approx(values.mean(), rel=DIGITS, abs=1e-9)
    assert column.std == pytest.approx(values.std(), rel=DIGITS)
    found = [column.minimum, column.lower_quartile, column.median, column.upper_quartile, column.maximum]
    assert found == pytest.approx(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist())


def _count_expected(column: OverviewColumn, values: pd.Series) -> list[int]:
    histogram = column.histogram
    if column.kind is Kind.DATE:
        texts = pd.to_datetime(values).dt.strftime("%Y-%m-%d")
        width = len(histogram.labels[0])
        return [(texts.str[:width] == name).sum() for name in histogram.labels]
    if column.kind is Kind.CATEGORY:
        return [(values == name).sum() for name in histogram.labels]
    first, *middle, last = histogram.edges
    limits = [-np.inf if first is None else first, *(each for each in middle if each is not None)]
    limits.append(np.inf if last is None else last)
    return [((values >= low) & (values < high)).sum() for low, high in pairwise(limits)]


def _check_bins(made: PeriodOverview, column: OverviewColumn, rows: pd.DataFrame) -> None:
    target = next(each.name for each in made.columns if each.target)
    for label, counts in column.histogram.counts.items():
        values = (rows[rows[target] == label] if label else rows)[column.name].dropna()
        assert list(counts) == _count_expected(column, values), column.name
        assert column.histogram.hidden or sum(counts) == len(values), column.name


@pytest.mark.parametrize(
    "make", [build_use_case, build_price_use_case, build_grade_use_case], ids=["labels", "number", "classes"]
)
def test_columns_are_as_pandas_sees_them(of_rows: OverviewFactory, make: Callable[[], UseCase]) -> None:
    use_case = make()
    rows = _create_rows_with_gaps()
    if use_case.target.numeric:
        rows = [(*cells[:5], f"{i % 4}") for i, cells in enumerate(rows)]
    made, published = of_rows(rows, use_case)
    _check_overview(made, published)
    assert made.classes == use_case.target.labels
    assert [each.name for each in made.columns if each.target] == [use_case.target.name]
    assert (made.dialect, _index_columns(made)["weight"].unit) == ("original", "g")


def test_a_date_has_months_and_the_nearest_quartiles(of_rows: OverviewFactory) -> None:
    day = _index_columns(of_rows(build_rows(ROWS))[0])["day"]
    assert (day.minimum, day.median, day.maximum) == ("2020-01-01", "2020-06-26", "2020-12-28")
    assert day.histogram.labels[:2] == ("2020-01", "2020-02")
    assert len(day.histogram.labels) == 12


def test_correlations_are_pearsons_over_the_rows_that_have_both(of_rows: OverviewFactory) -> None:
    made, rows = of_rows(_create_rows_with_gaps())
    rows["ripe"] = (rows["ripe"] == "yes").astype(float)
    names = ["weight", "seeds", "sugar", "ripe"]
    assert list(made.correlations.names) == names
    np.testing.assert_allclose(
        np.array(made.correlations.cells, dtype=float), rows[names].corr().to_numpy(), atol=DECIMALS
    )


def test_a_number_to_predict_is_correlated_too(of_rows: OverviewFactory) -> None:
    rows = [(*cells[:5], f"{i % 90}") for i, cells in enumerate(build_rows(ROWS))]
    made, published = of_rows(rows, build_price_use_case())
    names = list(made.correlations.names)
    assert names[-1] == "price"
    expected = published[names].corr()["price"].tolist()
    assert list(made.correlations.cells[-1]) == pytest.approx(expected, abs=DECIMALS)


def test_associations_are_cramers_v(of_rows: OverviewFactory) -> None:
    made, rows = of_rows(_create_rows_with_gaps())
    assert made.associations.names == ("colour", "ripe")
    expected = association(pd.crosstab(rows["colour"], rows["ripe"]).to_numpy(), method="cramer")
    assert made.associations.cells[0][1] == pytest.approx(expected, abs=DECIMALS)
    assert made.associations.cells[1][1] == 1


def test_associations_of_more_classes_are_between_nought_and_one(of_rows: OverviewFactory) -> None:
    grades = {"green": "0", "yellow": "2", "red": "3", "NA": "1"}
    made, rows = of_rows(
        [(*cells[:5], grades[cells[3]]) for cells in build_rows(ROWS)], build_grade_use_case()
    )
    expected = association(pd.crosstab(rows["colour"], rows["grade"]).to_numpy(), method="cramer")
    assert made.associations.cells[0][1] == pytest.approx(expected, abs=DECIMALS)
    assert expected > 0.9


def test_information_is_the_share_of_the_targets_entropy(of_rows: OverviewFactory) -> None:
    given = [
        (*cells[:5], "yes" if cells[3] == "red" or i % 5 == 0 else "no")
        for i, cells in enumerate(_create_rows_with_gaps())
    ]
    made, rows = of_rows(given)
    counts = pd.crosstab(rows["colour"], rows["ripe"]).to_numpy()
    bias = (counts.shape[0] - 1) * (counts.shape[1] - 1) / (2 * counts.sum())
    mutual = mutual_info_score(None, None, contingency=counts)
    expected = (mutual - bias) / entropy(counts.sum(axis=0))
    columns = _index_columns(made)
    assert 0 < expected < 1
    assert columns["colour"].information == pytest.approx(expected, abs=DECIMALS)
    assert columns["ripe"].information is None


def test_a_number_to_predict_is_explained_by_bins(of_rows: OverviewFactory) -> None:
    rows = [
        (*cells[:5], f"{50 if cells[3] == 'red' else 20 + 10 * (i // 4 % 2)}")
        for i, cells in enumerate(build_rows(ROWS))
    ]
    columns = _index_columns(of_rows(rows, build_price_use_case())[0])
    price = columns["price"]
    assert (price.information, list(price.histogram.counts)) == (None, [""])
    # a colour says whether it is 50, and nothing of the 20 and 30
    assert 0.2 < (columns["colour"].information or 0) < 0.9
    assert (columns["seeds"].information or 0) < 0.1


def test_noise_explains_nothing(of_rows: OverviewFactory) -> None:
    random = np.random.default_rng(0)
    noise = [(*cells[:2], str(random.integers(0, 50)), *cells[3:]) for cells in build_rows(ROWS)]
    assert (_index_columns(of_rows(noise)[0])["seeds"].information or 0) < 0.03


def test_the_origin_is_that_of_the_use_case(of_rows: OverviewFactory) -> None:
    use_case = build_use_case()
    origin = replace(use_case.origin, kaggle="owner/apples", licence="CC0")
    made, _ = of_rows(build_rows(ROWS), replace(use_case, origin=origin))
    assert made.origin.page == "https://www.kaggle.com/datasets/owner/apples"
    assert (made.origin.licence, made.origin.title) == ("CC0", use_case.title)
    assert replace(origin, kaggle="", uci=45).page == "https://archive.ics.uci.edu/dataset/45"
    assert replace(origin, kaggle="", uci=0).page == ""


def test_a_constant_goes_together_with_nothing(of_rows: OverviewFactory) -> None:
    made, _ = of_rows([(*cells[:2], "7", "red", *cells[4:]) for cells in build_rows(ROWS)])
    seeds = made.correlations.names.index("seeds")
    assert set(made.correlations.cells[seeds]) == {None}
    assert made.associations.cells[0][1] is None
    constant = _index_columns(made)["seeds"]
    assert constant.information is None
    assert (constant.std, constant.unique) == (0, 1)
    assert constant.histogram.edges == (7.0, 8.0)


def test_a_column_without_any_value(of_rows: OverviewFactory) -> None:
    made, _ = of_rows([(*cells[:3], "NA", "NA", cells[5]) for cells in build_rows(ROWS)])
    sugar, colour = _index_columns(made)["sugar"], _index_columns(made)["colour"]
    assert (sugar.count, sugar.missing, sugar.unique, sugar.mean) == (0, ROWS, 0, None)
    assert sugar.histogram.counts == {"no": (), "yes": ()}
    assert (colour.count, colour.unique, colour.frequent) == (0, 0, ())
    assert "sugar" not in made.correlations.names


def test_gaps_are_shares_by_the_first_category_that_champions_are_judged_by(of_rows: OverviewFactory) -> None:
    made, rows = of_rows(_create_rows_with_gaps(), build_use_case(promotion=BY_COLOUR))
    assert made.gaps is not None
    assert (made.gaps.field, made.gaps.levels) == ("colour", ("green", "yellow", "red"))
    assert set(made.gaps.shares) == {"weight", "sugar"}
    by = rows.groupby("colour", observed=True)
    assert list(made.gaps.rows) == [by.size()[level] for level in made.gaps.levels]
    for name in ("weight", "sugar"):
        expected = by[name].apply(lambda values: values.isna().mean())
        assert list(made.gaps.shares[name]) == pytest.approx(
            [expected[level] for level in made.gaps.levels], abs=DECIMALS
        )


def test_without_such_a_category_there_are_none(of_rows: OverviewFactory) -> None:
    assert of_rows(_create_rows_with_gaps())[0].gaps is None
    complete = [cells for cells in build_rows(ROWS) if "NA" not in cells]
    assert of_rows(complete, build_use_case(promotion=BY_COLOUR))[0].gaps is None


def test_the_first_rows_are_the_sample(of_rows: OverviewFactory) -> None:
    made, rows = of_rows(build_rows(ROWS))
    assert made.sample.names == ("line", "day", "weight", "seeds", "colour", "sugar", "ripe")
    assert [each[0] for each in made.sample.rows] == list(range(2, 22))
    assert made.sample.rows[0][1] == "2020-01-01"
    assert len(rows) == ROWS


def test_the_quarantine_has_reasons_without_values_and_its_first_problems(of_rows: OverviewFactory) -> None:
    text = "' is not a number from 1 to 5000 g; seeds: 'y"
    rows = [
        *build_rows(60), build_row(Seeds="x"), build_row(Seeds="y", Colour="?; odd"),
        build_row(Day="", Seeds="12.5"),
        build_row(Weight=text), (*build_row(Seeds="8"), "more"),
    ]  # fmt: skip
    quarantine = of_rows(rows)[0].quarantine
    complete, number = "it is not a whole number from 0 to 20000", "it is not a number from 1 to 5000 g"
    assert quarantine.rows == 5
    assert [
        (each.field, each.problem, each.rows) for each in quarantine.reasons if each.field != "seeds"
    ] == [
        (None, "the line has more fields than there are columns", 1),
        ("colour", "it is not one of green, yellow, red", 1),
        ("day", "it is missing", 1),
        ("weight", number, 1),
    ]
    assert [(each.line, each.field, each.value, each.problem) for each in quarantine.examples[:5]] == [
        (62, "seeds", "x", complete),
        (63, "seeds", "y", complete),
        (63, "colour", "?; odd", "it is not one of green, yellow, red"),
        (64, "day", None, "it is missing"),
        (64, "seeds", "12.5", complete),
    ]
    assert (quarantine.examples[-1].line, quarantine.examples[-1].field) == (66, None)


def test_examples_are_cut_and_few(of_rows: OverviewFactory) -> None:
    quarantine = of_rows([*build_rows(60), *(build_row(Seeds="x" * 500 + f"{i}") for i in range(300))])[
        0
    ].quarantine
    assert quarantine.rows == quarantine.reasons[0].rows == 300
    assert len(quarantine.examples) == 50
    assert all(len(each.value or "") == 121 for each in quarantine.examples)


def test_the_same_rows_are_the_same_text(of_rows: OverviewFactory) -> None:
    first, again = (of_rows(_create_rows_with_gaps())[0].to_text() for _ in range(2))
    assert first == again
    assert json.loads(first)["columns"][1]["name"] == "weight"


def test_rows_are_counted_batch_by_batch(of_rows: OverviewFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    complete, _ = of_rows(_create_rows_with_gaps(), build_use_case(promotion=BY_COLOUR))
    monkeypatch.setattr("servicio_ml.pipeline.overview.build.BATCH_ROWS", 7)
    assert of_rows(_create_rows_with_gaps(), build_use_case(promotion=BY_COLOUR))[0] == complete
    assert BATCH_ROWS > 7


def test_of_many_levels_the_most_frequent_are_shown(of_rows: OverviewFactory) -> None:
    levels = tuple(f"colour {i}" for i in range(MAX_SHOWN_LEVELS + 9))
    schema = build_use_case().schema
    colour = Field(name="colour", kind=Kind.CATEGORY, column="Colour", description="", levels=levels,
                   example=levels[0])  # fmt: skip
    use_case = build_use_case(
        schema=type(schema)(fields=(*FIELDS[:3], colour, FIELDS[4])), promotion=BY_COLOUR
    )
    rows = [
        (*cells[:3], levels[max(i % len(levels), 9)], f"{'NA' if i % 2 else '1'}", cells[5])
        for i, cells in enumerate(build_rows(ROWS))
    ]
    made, published = of_rows(rows, use_case)
    histogram = _index_columns(made)["colour"].histogram
    assert (histogram.labels, histogram.hidden) == (levels[9:], 9)
    assert made.gaps is not None
    assert made.gaps.levels == levels[9:]
    _check_overview(made, published)


@given(st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), min_size=1, max_size=200))
def test_every_number_has_a_bin_between_its_edges(values: list[float]) -> None:
    ordered = pl.Series(sorted(values), dtype=pl.Float64)
    bins = build_bins(FIELDS[4], ordered)
    assert 1 <= len(bins) <= 29
    inner = [limit for limit in bins.edges if limit is not None]
    assert inner == sorted(inner)
    for value, place in zip(ordered, bins.assign(ordered), strict=True):
        low, high = bins.edges[place], bins.edges[place + 1]
        assert low is None or low <= value
        assert high is None or value < high


def test_a_long_tail_is_one_open_bin() -> None:
    values = pl.Series([*(i / 10 for i in range(1000)), 5000.0]).sort()
    edges = build_bins(FIELDS[4], values).edges
    assert (edges[0], edges[-2], edges[-1]) == (0.0, 100.0, None)


def test_whole_numbers_have_whole_edges() -> None:
    assert build_bins(FIELDS[2], pl.Series([1, 2, 2, 5])).edges == (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)


REAL = [
    ("rain_australia", "weatherAUS.csv", 142_193),
    ("heart_disease", "heart.csv", 302),
    ("vehicle_price", "Car details v3.csv", 5_780),
    ("employee_burnout", "employee_burnout_train.csv", 18_366),
    ("employee_burn_rate", "enriched_employee_dataset.csv", 18_373),
]


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "file", "rows"), REAL, ids=[name for name, _, _ in REAL])
def test_the_real_files(tmp_path: Path, data_dir: Path, name: str, file: str, rows: int) -> None:
    made, published = _build_overview(find(name), data_dir / file, tmp_path, date.max)
    assert made.rows == rows
    assert len(made.to_text().encode()) <= MAX_BYTES
    _check_overview(made, published)
    numbers = [each for each in made.correlations.names if published[each].dtype != object]
    numbers = [each for each in numbers if pd.api.types.is_numeric_dtype(published[each])]
    found = pd.DataFrame(made.correlations.cells, made.correlations.names, made.correlations.names)
    np.testing.assert_allclose(
        found.loc[numbers, numbers].to_numpy(dtype=float), published[numbers].corr().to_numpy(), atol=DECIMALS
    )
    one, other = made.associations.names[:2]
    expected = association(pd.crosstab(published[one], published[other]).to_numpy(), method="cramer")
    assert made.associations.cells[0][1] == pytest.approx(expected, abs=DECIMALS)


@pytest.mark.real_data
def test_the_stations_lack_whole_sensors(tmp_path: Path, data_dir: Path) -> None:
    made, published = _build_overview(find("rain_australia"), data_dir / "weatherAUS.csv", tmp_path, date.max)
    assert made.gaps is not None
    assert len(made.gaps.levels) == 49
    expected = published.groupby("location")["sunshine"].apply(lambda values: values.isna().mean())
    found = dict(zip(made.gaps.levels, made.gaps.shares["sunshine"], strict=True))
    assert found == pytest.approx(expected.to_dict(), abs=DECIMALS)
    assert found["Albury"] == 1
