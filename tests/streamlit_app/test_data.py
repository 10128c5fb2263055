"""The page Data over responses that a real ETL has made."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from fakes.object_store import MemoryObjectStore
from fakes.tracker import MemoryTracker
from orchard_use_case import build_row, build_rows, build_use_case, write_csv
from pages_app import FakeServer, RecordedCall
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.pipeline.etl.run import run_etl
from servicio_ml.serving.rest.data import _build_document
from streamlit_app.client.data import Histogram, PairMatrix
from streamlit_app.data.correlations import rank_pairs
from streamlit_app.data.distribution import label_bins
from streamlit_app.data.labels import format_value
from streamlit_app.translation import format_count

pytestmark = pytest.mark.slow

OpenPage = Callable[..., AppTest]
PATH = "/models/small/data"
BY_COLOUR = PromotionPolicy(metric="f1", floor=0.1, slices=("colour",))


@pytest.fixture(scope="module")
def periods(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Responses of the server by period."""
    folder, store = tmp_path_factory.mktemp("etl"), MemoryObjectStore()
    gappy = [
        (*cells[:4], "NA" if i % 5 == 0 else cells[4], cells[5]) for i, cells in enumerate(build_rows(90))
    ]
    rejected = [build_row(Seeds="x"), build_row(Seeds="y"), build_row(Day="")]
    for period, rows in (("2020-11", build_rows(60)), ("2020-12", [*gappy, *rejected])):
        source = write_csv(folder / "apples.csv", rows)
        run_etl(
            build_use_case(name="small", promotion=BY_COLOUR), source, source_name="/data/apples.csv",
            period=period,
            store=store, connect_tracker=partial(MemoryTracker, folder / period, clock=float),
            progress=SilentProgress(), stats=NoStats(),
        )  # fmt: skip
    return {
        period: json.loads(_build_document(lambda: store, "small", period))
        for period in ("2020-11", "2020-12")
    }


@pytest.fixture
def published(service: FakeServer, periods: dict[str, Any]) -> FakeServer:
    def answer(call: RecordedCall) -> tuple[int, Any]:
        return 200, periods[call.query.get("period", "2020-12")]

    service.responses["GET", PATH] = answer
    return service


def read_metrics(app: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in app.metric}


def find_table(app: AppTest, column: str) -> Any:
    return next(each.value for each in app.dataframe if column in each.value.columns)


def find_distribution_table(app: AppTest) -> Any:
    """The table of the distribution of the colours."""
    return next(each.value for each in app.dataframe if list(each.value) == ["Colour", "no", "yes"])


@pytest.mark.usefixtures("published")
def test_the_latest_period_is_summarized(open_page: OpenPage) -> None:
    app = open_page("data")
    assert read_metrics(app) == {
        "Rows read": "93", "Rows published": "90", "Columns": "6", "Missing values": "7.4 %",
    }  # fmt: skip
    assert any("`apples.csv`" in each.value for each in app.markdown)
    status = find_table(app, "Status")
    assert dict(zip(status["Status"], status["Rows"], strict=True)) == {
        "published": 90, "duplicate": 0, "after the period": 0, "without a label": 0, "in quarantine": 3,
    }  # fmt: skip


@pytest.mark.usefixtures("published")
def test_another_period_is_picked(open_page: OpenPage) -> None:
    app = open_page("data")
    assert app.selectbox(key="data_period").options == ["2020-12", "2020-11"]
    app.selectbox(key="data_period").select("2020-11").run()
    assert not app.exception
    assert read_metrics(app)["Rows read"] == "60"
    assert any("No row was rejected" in each.value for each in app.success)


@pytest.mark.usefixtures("published")
def test_columns_have_type_counts_and_statistics(open_page: OpenPage, periods: dict[str, Any]) -> None:
    columns = find_table(open_page("data"), "Unique values").set_index("Name")
    sugar = next(each for each in periods["2020-12"]["overview"]["columns"] if each["name"] == "sugar")
    assert list(columns.index) == ["day", "weight", "seeds", "colour", "sugar", "ripe"]
    assert columns.loc["sugar", "Column"] == "Sugar (%)"
    assert columns.loc["sugar", "Missing"] == sugar["missing"] == 18
    assert columns.loc["sugar", "Unique values"] == sugar["unique"]
    assert float(columns.loc["sugar", "Mean"]) == pytest.approx(sugar["mean"], rel=1e-5)
    assert columns.loc["day", "Minimum"] == "2020-01-01"
    assert columns.loc["seeds", "Type"] == "whole number"


@pytest.mark.usefixtures("published")
def test_columns_are_ranked_by_what_they_explain_of_the_target(
    open_page: OpenPage, periods: dict[str, Any]
) -> None:
    table = find_table(open_page("data"), "Information (%)")
    overview = periods["2020-12"]["overview"]
    shares = {each["name"]: each["information"] for each in overview["columns"]}
    expected = sorted((share for share in shares.values() if share is not None), reverse=True)
    assert list(table["Information (%)"]) == pytest.approx([100 * share for share in expected])
    names = overview["correlations"]["names"]
    weight = overview["correlations"]["cells"][names.index("weight")][names.index("ripe")]
    assert table.set_index("Column").loc["Weight", "Pearson's r"] == weight


@pytest.mark.usefixtures("published")
def test_the_overview_says_what_the_data_set_is(open_page: OpenPage, periods: dict[str, Any]) -> None:
    origin = periods["2020-12"]["overview"]["origin"]
    texts = [each.value for each in open_page("data").markdown]
    assert f"**{origin['title']}**" in texts
    captions = [each.value for each in open_page("data").caption]
    assert "The use case names no publisher." in captions


@pytest.mark.usefixtures("published")
def test_the_quarantine_has_line_field_value_and_reason(open_page: OpenPage) -> None:
    app = open_page("data")
    examples = find_table(app, "Line")
    assert list(examples.columns) == ["Line", "Field", "Value", "Reason"]
    reason = "it is not a whole number from 0 to 20000"
    assert list(examples.itertuples(index=False, name=None)) == [
        (92, "Seeds", "x", reason), (93, "Seeds", "y", reason), (94, "Picked on", "missing", "it is missing"),
    ]  # fmt: skip
    reasons = next(each.value for each in app.dataframe if list(each.value) == ["Field", "Reason", "Rows"])
    assert list(reasons["Rows"]) == [2, 1]


@pytest.mark.usefixtures("published")
def test_reasons_are_translated(open_page: OpenPage) -> None:
    examples = find_table(open_page("data", lang="es"), "Línea")
    assert examples["Motivo"][0] == "no es un número entero de 0 a 20000"


@pytest.mark.usefixtures("published")
def test_bars_of_the_chosen_column_are_rows_or_shares(open_page: OpenPage, periods: dict[str, Any]) -> None:
    app = open_page("data")
    app.selectbox(key="data_column").select("colour").run()
    bars = find_distribution_table(app)
    histogram = next(
        each["histogram"] for each in periods["2020-12"]["overview"]["columns"] if each["name"] == "colour"
    )
    assert list(bars["Colour"]) == ["green", "yellow", "red"]
    assert list(bars["yes"]) == histogram["counts"]["yes"]
    app.segmented_control(key="data_scale").select("shares").run()
    assert not app.exception
    assert find_distribution_table(app)["yes"].sum() == pytest.approx(100, abs=0.02)


@pytest.mark.usefixtures("published")
def test_missing_values_and_correlations_are_tables_too(open_page: OpenPage, periods: dict[str, Any]) -> None:
    app = open_page("data")
    overview = periods["2020-12"]["overview"]
    gaps = next(each.value for each in app.dataframe if list(each.value) == ["Colour", "Sugar"])
    assert list(gaps["Sugar"]) == pytest.approx(
        [100 * each for each in overview["gaps"]["shares"]["sugar"]], abs=0.06
    )
    pairs = next(each.value for each in app.dataframe if list(each.value)[:2] == ["Column", "Weight"])
    assert pairs["Seeds"][0] == round(overview["correlations"]["cells"][0][1], 2)


def test_before_anything_is_published(open_page: OpenPage, service: FakeServer) -> None:
    detail = "nothing is published there; run `servicio-ml etl small` first"
    service.set_response("GET", PATH, {"title": "Not Found", "detail": detail}, 404)
    app = open_page("data")
    assert any("does not exist yet" in each.value for each in app.error)
    assert any("servicio-ml etl small" in each.value for each in app.code)


@pytest.mark.parametrize(
    ("edges", "integer", "names"),
    [
        ([None, 0.0, 0.5, None], False, ["< 0", "0 to 0.5", "≥ 0.5"]),
        ([2001.0, 2002.0, 2003.0], True, ["2001", "2002"]),
        ([0.0, 10_000.0, None], True, ["0 to 9999", "≥ 10000"]),
        ([], False, ["a", "b"]),
    ],
    ids=["numbers", "years", "integers", "levels"],
)
def test_bins_are_labelled_by_their_values(
    edges: list[float | None],
    integer: bool,  # noqa: FBT001  a parameter
    names: list[str],
) -> None:
    histogram = Histogram(labels=[] if edges else ["a", "b"], edges=edges, counts={}, hidden=0)
    assert label_bins(histogram, integer=integer) == names


def test_bins_of_large_numbers_differ() -> None:
    edges: list[float | None] = [1_234_567, 1_234_568, 1_234_569]
    histogram = Histogram(labels=[], edges=edges, counts={"": [1, 2]}, hidden=0)
    assert label_bins(histogram, integer=False) == ["1234567 to 1234568", "1234568 to 1234569"]


def test_the_strongest_pairs_come_first_and_undefined_ones_not_at_all() -> None:
    cells: list[list[float | None]] = [[1, 0.2, None], [0.2, 1, -0.9], [None, -0.9, 1]]
    assert rank_pairs(PairMatrix(names=["a", "b", "c"], cells=cells)) == [("b", "c", -0.9), ("a", "b", 0.2)]


def test_numbers_read_alike_in_both_languages() -> None:
    assert [format_value(each) for each in (None, 2014, 0.25, 638_271.8)] == [
        "",
        "2014",
        "0.25",
        format_count(638_272),
    ]
    assert format_count(1_234_567) == "1\u202f234\u202f567"
