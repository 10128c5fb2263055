"""The page Data over canned answers that a real ETL has made."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from orchard import apples, orchard, row, write_csv
from pages_app import Call, Canned
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.memory import MemoryTracker
from servicio_ml.adapters.memory_lake import MemoryObjectStore
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.pipeline.etl import run_etl
from servicio_ml.serving.data_page import _told
from streamlit_app.client.data import Histogram, Matrix
from streamlit_app.exploring.distribution import bins
from streamlit_app.exploring.pairs import strongest
from streamlit_app.exploring.words import count, shown

pytestmark = pytest.mark.slow

Opened = Callable[..., AppTest]
PATH = "/models/small/data"
BY_COLOUR = PromotionPolicy(metric="f1", floor=0.1, slices=("colour",))


@pytest.fixture(scope="module")
def periods(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The server's answers, by period."""
    folder, store = tmp_path_factory.mktemp("etl"), MemoryObjectStore()
    gappy = [(*cells[:4], "NA" if i % 5 == 0 else cells[4], cells[5]) for i, cells in enumerate(apples(90))]
    rejected = [row(Seeds="x"), row(Seeds="y"), row(Day="")]
    for period, rows in (("2020-11", apples(60)), ("2020-12", [*gappy, *rejected])):
        source = write_csv(folder / "apples.csv", rows)
        run_etl(
            orchard(name="small", promotion=BY_COLOUR), source, named="/data/apples.csv", period=period,
            store=store, connect=partial(MemoryTracker, folder / period, clock=float),
            progress=SilentProgress(), stats=NoStats(),
        )  # fmt: skip
    return {period: json.loads(_told(lambda: store, "small", period)) for period in ("2020-11", "2020-12")}


@pytest.fixture
def published(service: Canned, periods: dict[str, Any]) -> Canned:
    def answer(call: Call) -> tuple[int, Any]:
        return 200, periods[call.query.get("period", "2020-12")]

    service.answers["GET", PATH] = answer
    return service


def metrics(app: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in app.metric}


def table(app: AppTest, column: str) -> Any:
    return next(each.value for each in app.dataframe if column in each.value.columns)


def drawn(app: AppTest) -> Any:
    """The table of the distribution of the colours."""
    return next(each.value for each in app.dataframe if list(each.value) == ["Colour", "no", "yes"])


@pytest.mark.usefixtures("published")
def test_the_latest_period_is_summed_up(opened: Opened) -> None:
    app = opened("data")
    assert metrics(app) == {
        "Rows read": "93", "Rows kept": "90", "Columns": "6", "Missing values": "7.4 %",
    }  # fmt: skip
    assert any("`apples.csv`" in each.value for each in app.markdown)
    fates = table(app, "What became of it")
    assert dict(zip(fates["What became of it"], fates["Rows"], strict=True)) == {
        "kept": 90, "duplicate": 0, "later than the period": 0, "without a label": 0, "in quarantine": 3,
    }  # fmt: skip


@pytest.mark.usefixtures("published")
def test_another_period_is_picked(opened: Opened) -> None:
    app = opened("data")
    assert app.selectbox(key="data_period").options == ["2020-12", "2020-11"]
    app.selectbox(key="data_period").select("2020-11").run()
    assert not app.exception
    assert metrics(app)["Rows read"] == "60"
    assert any("No row was rejected" in each.value for each in app.success)


@pytest.mark.usefixtures("published")
def test_columns_have_type_counts_and_statistics(opened: Opened, periods: dict[str, Any]) -> None:
    columns = table(opened("data"), "Unique values").set_index("Name")
    sugar = next(each for each in periods["2020-12"]["overview"]["columns"] if each["name"] == "sugar")
    assert list(columns.index) == ["day", "weight", "seeds", "colour", "sugar", "ripe"]
    assert columns.loc["sugar", "Column"] == "Sugar (%)"
    assert columns.loc["sugar", "Missing"] == sugar["missing"] == 18
    assert columns.loc["sugar", "Unique values"] == sugar["unique"]
    assert float(columns.loc["sugar", "Mean"]) == pytest.approx(sugar["mean"], rel=1e-5)
    assert columns.loc["day", "Minimum"] == "2020-01-01"
    assert columns.loc["seeds", "Type"] == "whole number"


@pytest.mark.usefixtures("published")
def test_the_quarantine_has_line_field_value_and_reason(opened: Opened) -> None:
    app = opened("data")
    flaws = table(app, "Line")
    assert list(flaws.columns) == ["Line", "Field", "Value", "Reason"]
    whole = "it is not a whole number from 0 to 20000"
    assert list(flaws.itertuples(index=False, name=None)) == [
        (92, "Seeds", "x", whole), (93, "Seeds", "y", whole), (94, "Picked on", "missing", "it is missing"),
    ]  # fmt: skip
    reasons = next(each.value for each in app.dataframe if list(each.value) == ["Field", "Reason", "Rows"])
    assert list(reasons["Rows"]) == [2, 1]


@pytest.mark.usefixtures("published")
def test_reasons_are_told_in_spanish(opened: Opened) -> None:
    flaws = table(opened("data", lang="es"), "Línea")
    assert flaws["Motivo"][0] == "no es un número entero de 0 a 20000"


@pytest.mark.usefixtures("published")
def test_a_column_is_chosen_and_its_bars_are_rows_or_shares(opened: Opened, periods: dict[str, Any]) -> None:
    app = opened("data")
    app.selectbox(key="data_column").select("colour").run()
    found = drawn(app)
    histogram = next(
        each["histogram"] for each in periods["2020-12"]["overview"]["columns"] if each["name"] == "colour"
    )
    assert list(found["Colour"]) == ["green", "yellow", "red"]
    assert list(found["yes"]) == histogram["counts"]["yes"]
    app.segmented_control(key="data_scale").select("shares").run()
    assert not app.exception
    assert drawn(app)["yes"].sum() == pytest.approx(100, abs=0.02)


@pytest.mark.usefixtures("published")
def test_gaps_by_level_and_pairs_are_tables_too(opened: Opened, periods: dict[str, Any]) -> None:
    app = opened("data")
    overview = periods["2020-12"]["overview"]
    gaps = next(each.value for each in app.dataframe if list(each.value) == ["Colour", "Sugar"])
    assert list(gaps["Sugar"]) == pytest.approx(
        [100 * each for each in overview["gaps"]["shares"]["sugar"]], abs=0.06
    )
    pairs = next(each.value for each in app.dataframe if list(each.value)[:2] == ["Column", "Weight"])
    assert pairs["Seeds"][0] == round(overview["correlations"]["cells"][0][1], 2)


def test_before_anything_is_published(opened: Opened, service: Canned) -> None:
    detail = "nothing is published there; run `servicio-ml etl small` first"
    service.give("GET", PATH, {"title": "Not Found", "detail": detail}, 404)
    app = opened("data")
    assert any("not there yet" in each.value for each in app.error)
    assert any("servicio-ml etl small" in each.value for each in app.code)


@pytest.mark.parametrize(
    ("edges", "whole", "names"),
    [
        ([None, 0.0, 0.5, None], False, ["< 0", "0 to 0.5", "≥ 0.5"]),
        ([2001.0, 2002.0, 2003.0], True, ["2001", "2002"]),
        ([0.0, 10_000.0, None], True, ["0 to 9999", "≥ 10000"]),
        ([], False, ["a", "b"]),
    ],
    ids=["numbers", "years", "whole", "levels"],
)
def test_bins_are_called_by_what_they_hold(edges: list[float | None], whole: bool, names: list[str]) -> None:  # noqa: FBT001  a parameter
    histogram = Histogram(labels=[] if edges else ["a", "b"], edges=edges, counts={}, hidden=0)
    assert bins(histogram, whole=whole) == names


def test_bins_of_large_numbers_are_told_apart() -> None:
    edges: list[float | None] = [1_234_567, 1_234_568, 1_234_569]
    histogram = Histogram(labels=[], edges=edges, counts={"": [1, 2]}, hidden=0)
    assert bins(histogram, whole=False) == ["1234567 to 1234568", "1234568 to 1234569"]


def test_the_strongest_pairs_come_first_and_undefined_ones_not_at_all() -> None:
    cells: list[list[float | None]] = [[1, 0.2, None], [0.2, 1, -0.9], [None, -0.9, 1]]
    assert strongest(Matrix(names=["a", "b", "c"], cells=cells)) == [("b", "c", -0.9), ("a", "b", 0.2)]


def test_numbers_read_alike_in_both_languages() -> None:
    assert [shown(each) for each in (None, 2014, 0.25, 638_271.8)] == ["", "2014", "0.25", count(638_272)]
    assert count(1_234_567) == "1\u202f234\u202f567"
