"""The page Live over a fake server and a fake Prometheus."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages_app import FakeServer, RecordedCall
from streamlit_app.translation import escape_markdown

pytestmark = pytest.mark.slow
OpenPage = Callable[..., AppTest]
DAY = 86400
INSTANT_RESULTS: dict[str, list[tuple[dict[str, str], float]]] = {
    'up{job="servicio-ml"}': [({}, 1)],
    "service:http_requests:rate5m": [({}, 12.34)],
    "service:http_errors:ratio_rate5m": [({}, 0.0125)],
    **{
        query: [({"segment": "colour", "value": value}, number) for value, number in values.items()]
        for query, values in {
            'segment:loss:deviations{model="small", version="3", window="30d"}': {"red": 1.5, "green": 6.25},
            'segment:loss_realised:value{model="small", version="3", window="30d"}': {
                "red": 0.1,
                "green": 0.4,
            },
            'max by (segment, value) (servicio_ml_segment_reference_loss{model="small", version="3"})': {
                "red": 0.08,
                "green": 0.09,
                "missing": 0.2,
            },
        }.items()
    },
    'pipeline:age_seconds:max{use_case="small"}': [({"step": "etl"}, 40 * DAY), ({"step": "train"}, DAY)],
}
RANGE_RESULTS: dict[str, list[tuple[dict[str, str], list[float]]]] = {
    "sum by (route) (route:http_requests:rate5m)": [({"route": "/predict"}, [3, 4])],
    'model:accuracy_expected:ratio{model="small", version="3", window="1h"}': [({}, [0.9, 0.8])],
    'model:performance_limit:value{model="small", version="3", window="1h", metric="accuracy"}': [
        ({}, [0.7, 0.7])
    ],
}


def build_alert(name: str, severity: str = "ticket", state: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {
            "summary": f"{name} of it", "description": "Why.", "runbook_url": f"docs/runbook.md#{name}"
        },
        "state": state,
        "activeAt": "2026-11-21T04:05:06Z",
    }  # fmt: skip


def build_result(found: list[dict[str, Any]]) -> tuple[int, Any]:
    return 200, {"status": "success", "data": {"result": found}}


def answer_query(call: RecordedCall) -> tuple[int, Any]:
    found = INSTANT_RESULTS.get(call.query["query"], [])
    return build_result([{"metric": labels, "value": [0, str(value)]} for labels, value in found])


def answer_range_query(call: RecordedCall) -> tuple[int, Any]:
    end = float(call.query["end"])
    return build_result([
        {"metric": labels, "values": [[end - 60 + i, str(value)] for i, value in enumerate(values)]}
        for labels, values in RANGE_RESULTS.get(call.query["query"], [])
    ])  # fmt: skip


@pytest.fixture
def live(service: FakeServer) -> FakeServer:
    service.set_response("GET", "/health/ready", {"status": "ready", "models": {"small": "ready"}})
    service.set_response(
        "GET", "/models/small",
        {
            "model": "small", "task": "binary", "champion": 3, "challenger": None,
            "runtime": "onnx", "row_seconds": None,
            "loaded": 1.0,
            "checked": 2.0, "problem": "", "traffic": {"shadow": 0, "canary": 0}, "versions": [],
        },
    )  # fmt: skip
    decisions = [{"decision": "started", "reason": "PerformanceLow", "at": 60.0, "reference": "run-7"}]
    service.set_response(
        "GET", "/models/small/retraining",
        {
            "quarantined": True, "quarantined_by": ["TargetLeak"], "budget_remaining": 2,
            "decisions": decisions,
        },
    )  # fmt: skip
    return service


@pytest.fixture
def metrics(prometheus: FakeServer) -> FakeServer:
    rule = {"name": "EtlLate", "query": f'pipeline:age_seconds:max{{step="etl"}} > {35 * DAY}'}
    prometheus.responses["GET", "/api/v1/query"] = answer_query
    prometheus.responses["GET", "/api/v1/query_range"] = answer_range_query
    prometheus.set_response("GET", "/api/v1/alerts", {"data": {"alerts": []}})
    prometheus.set_response("GET", "/api/v1/rules", {"data": {"groups": [{"rules": [rule]}]}})
    return prometheus


def read_metrics(app: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in app.metric}


@pytest.mark.usefixtures("live", "metrics")
def test_numbers_of_the_last_minutes(open_page: OpenPage) -> None:
    found = read_metrics(open_page("live"))
    assert found["Server"] == "ready"
    assert found["Champion"] == "version 3"
    assert found["Challenger"] == "none"
    assert found["Requests per second"] == "12.3"
    assert found["Failed requests"] == "1.25%"
    assert found["Rows not yet logged"] == "–"


@pytest.mark.usefixtures("live", "metrics")
def test_the_worst_segments_come_first(open_page: OpenPage) -> None:
    [table] = [each.value for each in open_page("live").dataframe if "Segment" in each.value.columns]
    assert table["Value"].tolist() == ["green", "red"]
    assert table["Loss"].tolist() == [0.4, 0.1]
    assert table["Loss on unseen rows"].tolist() == [0.09, 0.08]
    assert table["Rows"].isna().all()


@pytest.mark.usefixtures("live", "metrics")
def test_lines_over_time_with_their_numbers(open_page: OpenPage) -> None:
    app = open_page("live")
    tables = [each.value.to_dict("list") for each in app.dataframe]
    rates = next(each for each in tables if "Requests per second" in each)
    assert rates["Series"] == ["/predict"] * 2
    assert rates["Requests per second"] == [3, 4]
    accuracy = next(each for each in tables if "Share (0 to 1)" in each)
    assert dict(zip(accuracy["Series"], accuracy["Share (0 to 1)"], strict=True)) == {
        "expected": 0.8,
        "limit": 0.7,
    }
    assert "There are no measurements in this range." in [each.value for each in app.caption]


@pytest.mark.usefixtures("live", "metrics")
def test_values_that_are_not_finite_are_left_out(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(INSTANT_RESULTS, "service:http_errors:ratio_rate5m", [({}, float("nan"))])
    rates = "sum by (route) (route:http_requests:rate5m)"
    lines = [({"route": "/predict"}, [3, float("nan")]), ({"route": "/none"}, [float("inf")])]
    monkeypatch.setitem(RANGE_RESULTS, rates, lines)
    app = open_page("live")
    assert read_metrics(app)["Failed requests"] == "–"
    tables = [each.value.to_dict("list") for each in app.dataframe]
    assert next(each for each in tables if "Requests per second" in each)["Requests per second"] == [3]


@pytest.mark.usefixtures("live", "metrics")
@pytest.mark.parametrize(("chosen", "clock"), [("24h", "%H:%M"), ("7d", "%Y-%m-%d")])
def test_axes_are_of_utc_and_there_over_nothing_but_zeros(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, chosen: str, clock: str
) -> None:
    monkeypatch.setitem(RANGE_RESULTS, "max by (route) (route:http_errors:ratio_rate5m)", [
        ({"route": "/predict"}, [0, 0])
    ])  # fmt: skip
    app = open_page("live")
    app.button_group(key="live_range").set_value(chosen).run()
    specs = [json.loads(each.proto.spec)["encoding"] for each in app.get("vega_lite_chart")]
    axes = {each["y"]["title"]: each for each in specs}
    assert {each["x"]["axis"]["format"] for each in specs} == {clock}
    assert {each["x"]["scale"]["type"] for each in specs} == {"utc"}
    assert axes["Share of the requests (%)"]["y"]["scale"]["domain"] == [0, 1]
    assert "domain" not in axes["Requests per second"]["y"]["scale"]


@pytest.mark.usefixtures("metrics")
def test_texts_of_the_services_are_no_markdown(
    open_page: OpenPage, live: FakeServer, metrics: FakeServer
) -> None:
    said = "![x](http://elsewhere/y) <b>$1$</b>"
    _, model = live.responses["GET", "/models/small"]
    live.set_response("GET", "/models/small", {**model, "problem": said})
    live.set_response("GET", "/health/ready", {"status": "ready", "models": {"three": said}})
    made = build_alert("Odd", model="small")
    made["annotations"]["summary"] = said
    metrics.set_response("GET", "/api/v1/alerts", {"data": {"alerts": [made]}})
    shown = [each.value for each in open_page("live").warning]
    assert sum(escape_markdown(said) in each for each in shown) == 3
    assert not any(said in each for each in shown)


@pytest.mark.usefixtures("live")
def test_the_range_is_asked_for(open_page: OpenPage, metrics: FakeServer) -> None:
    app = open_page("live")
    app.button_group(key="live_range").set_value("24h").run()
    last = metrics.find_calls("GET", "/api/v1/query_range")[-1].query
    assert float(last["end"]) - float(last["start"]) == pytest.approx(DAY)
    assert float(last["step"]) == DAY / 120


@pytest.mark.usefixtures("live")
def test_alerts_of_this_model_pages_first(open_page: OpenPage, metrics: FakeServer) -> None:
    every = [
        build_alert("FeatureDrift", model="small", feature="a"),
        build_alert("FeatureDrift", model="small", feature="b"),
        build_alert("ServerDown", "page"),
        build_alert("EtlLate", model="three"),
        build_alert("DataDrift", state="pending"),
    ]
    metrics.set_response("GET", "/api/v1/alerts", {"data": {"alerts": every}})
    app = open_page("live")
    [page] = app.error
    [ticket] = [each for each in app.warning if "FeatureDrift" in each.value]
    assert "**ServerDown** (page, since 2026-11-21 04:05 UTC)" in page.value
    assert "docs/runbook.md#ServerDown" in page.value
    assert ticket.value.count(f"FeatureDrift of it. {escape_markdown('Why.')}") == 2
    captions = [each.value for each in app.caption]
    assert "Pending: DataDrift." in captions
    assert "Firing for other models: EtlLate." in captions


@pytest.mark.usefixtures("live", "metrics")
def test_no_alert_is_reported_as_such(open_page: OpenPage) -> None:
    assert [each.value for each in open_page("live").success] == ["No alert is firing."]


@pytest.mark.usefixtures("live", "metrics")
def test_ages_of_the_pipelines_beside_their_limits(open_page: OpenPage) -> None:
    tables = [each.value.to_dict("list") for each in open_page("live").dataframe]
    ages = next(each for each in tables if "Last success" in each)
    assert ages == {
        "Step": ["etl", "train"], "Last success": ["40.0 days", "1.0 days"], "Maximum": ["35.0 days", "–"],
        "Verdict": ["late", "–"],
    }  # fmt: skip


@pytest.mark.usefixtures("live", "metrics")
def test_decisions_on_alerts_are_listed(open_page: OpenPage) -> None:
    app = open_page("live")
    assert any("in quarantine because of TargetLeak" in each.value for each in app.warning)
    decided = next(each.value for each in app.dataframe if "Decision" in each.value).to_dict("list")
    assert decided["Reason"] == ["PerformanceLow"]
    assert decided["Run"] == ["run-7"]


@pytest.mark.usefixtures("live")
def test_the_server_is_shown_without_prometheus(open_page: OpenPage) -> None:
    app = open_page("live")
    [error] = app.error
    assert "Prometheus at http://127.0.0.1:7 does not respond" in error.value
    assert read_metrics(app)["Champion"] == "version 3"
    assert any("TargetLeak" in each.value for each in app.warning)


@pytest.mark.usefixtures("live", "metrics")
def test_a_prometheus_that_does_not_know_the_server(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(INSTANT_RESULTS, 'up{job="servicio-ml"}')
    assert any("has no metrics of this server" in each.value for each in open_page("live").warning)


@pytest.mark.usefixtures("metrics")
def test_a_server_that_is_not_ready_and_why(open_page: OpenPage, live: FakeServer) -> None:
    live.set_response("GET", "/health/ready", {"title": "Service Unavailable", "detail": "no"}, 503)
    _, model = live.responses["GET", "/models/small"]
    live.set_response("GET", "/models/small", {**model, "champion": None, "problem": "the registry is away"})
    app = open_page("live")
    assert read_metrics(app)["Server"] == "not ready"
    assert any("the registry is away" in each.value for each in app.warning)
    assert "Performance" not in [each.value for each in app.subheader]


@pytest.mark.usefixtures("live", "metrics")
def test_the_refresh_can_be_paused(open_page: OpenPage) -> None:
    app = open_page("live")
    toggle = app.toggle(key="live_refresh")
    assert toggle.value
    toggle.set_value(False).run()
    assert not app.exception


@pytest.mark.usefixtures("live", "metrics")
def test_in_spanish(open_page: OpenPage) -> None:
    app = open_page("live", lang="es")
    assert app.title[0].value == "En vivo"
    assert read_metrics(app)["Campeón"] == "versión 3"
