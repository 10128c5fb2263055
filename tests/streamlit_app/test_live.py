"""The page Live over a canned server and a canned Prometheus."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages_app import Call, Canned
from streamlit_app.text import verbatim

pytestmark = pytest.mark.slow
Opened = Callable[..., AppTest]
DAY = 86400
NOW: dict[str, list[tuple[dict[str, str], float]]] = {
    'up{job="servicio-ml"}': [({}, 1)],
    "service:http_requests:rate5m": [({}, 12.34)],
    "service:http_errors:ratio_rate5m": [({}, 0.0125)],
    'pipeline:age_seconds:max{use_case="small"}': [({"step": "etl"}, 40 * DAY), ({"step": "train"}, DAY)],
}
OVER: dict[str, list[tuple[dict[str, str], list[float]]]] = {
    "sum by (route) (route:http_requests:rate5m)": [({"route": "/predict"}, [3, 4])],
    'model:accuracy_expected:ratio{model="small", version="3", window="1h"}': [({}, [0.9, 0.8])],
    'model:performance_limit:value{model="small", version="3", window="1h", metric="accuracy"}': [
        ({}, [0.7, 0.7])
    ],
}


def alert(name: str, severity: str = "ticket", state: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {
            "summary": f"{name} of it", "description": "Why.", "runbook_url": f"docs/runbook.md#{name}"
        },
        "state": state,
        "activeAt": "2026-11-21T04:05:06Z",
    }  # fmt: skip


def result(found: list[dict[str, Any]]) -> tuple[int, Any]:
    return 200, {"status": "success", "data": {"result": found}}


def at_once(call: Call) -> tuple[int, Any]:
    found = NOW.get(call.query["query"], [])
    return result([{"metric": labels, "value": [0, str(value)]} for labels, value in found])


def in_time(call: Call) -> tuple[int, Any]:
    end = float(call.query["end"])
    return result([
        {"metric": labels, "values": [[end - 60 + i, str(value)] for i, value in enumerate(values)]}
        for labels, values in OVER.get(call.query["query"], [])
    ])  # fmt: skip


@pytest.fixture
def live(service: Canned) -> Canned:
    service.give("GET", "/health/ready", {"status": "ready", "models": {"small": "ready"}})
    service.give(
        "GET", "/models/small",
        {
            "model": "small", "task": "binary", "champion": 3, "challenger": None, "loaded": 1.0,
            "checked": 2.0, "problem": "", "traffic": {"shadow": 0, "canary": 0}, "versions": [],
        },
    )  # fmt: skip
    decisions = [{"decision": "started", "reason": "PerformanceLow", "at": 60.0, "reference": "run-7"}]
    service.give(
        "GET", "/models/small/retraining",
        {
            "quarantined": True, "quarantined_by": ["TargetLeak"], "budget_remaining": 2,
            "decisions": decisions,
        },
    )  # fmt: skip
    return service


@pytest.fixture
def metrics(prometheus: Canned) -> Canned:
    rule = {"name": "EtlLate", "query": f'pipeline:age_seconds:max{{step="etl"}} > {35 * DAY}'}
    prometheus.answers["GET", "/api/v1/query"] = at_once
    prometheus.answers["GET", "/api/v1/query_range"] = in_time
    prometheus.give("GET", "/api/v1/alerts", {"data": {"alerts": []}})
    prometheus.give("GET", "/api/v1/rules", {"data": {"groups": [{"rules": [rule]}]}})
    return prometheus


def values(app: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in app.metric}


@pytest.mark.usefixtures("live", "metrics")
def test_numbers_of_the_last_minutes(opened: Opened) -> None:
    found = values(opened("live"))
    assert found["Server"] == "ready"
    assert found["Champion"] == "version 3"
    assert found["Challenger"] == "none"
    assert found["Requests per second"] == "12.3"
    assert found["Requests that fail"] == "1.25%"
    assert found["Rows not yet logged"] == "–"


@pytest.mark.usefixtures("live", "metrics")
def test_lines_over_time_with_their_numbers(opened: Opened) -> None:
    app = opened("live")
    tables = [each.value.to_dict("list") for each in app.dataframe]
    rates = next(each for each in tables if "Requests per second" in each)
    assert rates["Series"] == ["/predict"] * 2
    assert rates["Requests per second"] == [3, 4]
    accuracy = next(each for each in tables if "Share (0 to 1)" in each)
    assert dict(zip(accuracy["Series"], accuracy["Share (0 to 1)"], strict=True)) == {
        "expected": 0.8,
        "limit": 0.7,
    }
    assert "Nothing was measured in this time." in [each.value for each in app.caption]


@pytest.mark.usefixtures("live", "metrics")
def test_what_is_no_number_is_not_measured(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NOW, "service:http_errors:ratio_rate5m", [({}, float("nan"))])
    rates = "sum by (route) (route:http_requests:rate5m)"
    lines = [({"route": "/predict"}, [3, float("nan")]), ({"route": "/none"}, [float("inf")])]
    monkeypatch.setitem(OVER, rates, lines)
    app = opened("live")
    assert values(app)["Requests that fail"] == "–"
    tables = [each.value.to_dict("list") for each in app.dataframe]
    assert next(each for each in tables if "Requests per second" in each)["Requests per second"] == [3]


@pytest.mark.usefixtures("live", "metrics")
@pytest.mark.parametrize(("chosen", "clock"), [("24h", "%H:%M"), ("7d", "%Y-%m-%d")])
def test_axes_are_of_utc_and_there_over_nothing_but_zeros(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, chosen: str, clock: str
) -> None:
    monkeypatch.setitem(OVER, "max by (route) (route:http_errors:ratio_rate5m)", [
        ({"route": "/predict"}, [0, 0])
    ])  # fmt: skip
    app = opened("live")
    app.button_group(key="live_range").set_value(chosen).run()
    specs = [json.loads(each.proto.spec)["encoding"] for each in app.get("vega_lite_chart")]
    axes = {each["y"]["title"]: each for each in specs}
    assert {each["x"]["axis"]["format"] for each in specs} == {clock}
    assert {each["x"]["scale"]["type"] for each in specs} == {"utc"}
    assert axes["Share of the requests (%)"]["y"]["scale"]["domain"] == [0, 1]
    assert "domain" not in axes["Requests per second"]["y"]["scale"]


@pytest.mark.usefixtures("metrics")
def test_words_of_the_services_are_no_markdown(opened: Opened, live: Canned, metrics: Canned) -> None:
    said = "![x](http://elsewhere/y) <b>$1$</b>"
    _, model = live.answers["GET", "/models/small"]
    live.give("GET", "/models/small", {**model, "problem": said})
    live.give("GET", "/health/ready", {"status": "ready", "models": {"three": said}})
    made = alert("Odd", model="small")
    made["annotations"]["summary"] = said
    metrics.give("GET", "/api/v1/alerts", {"data": {"alerts": [made]}})
    shown = [each.value for each in opened("live").warning]
    assert sum(verbatim(said) in each for each in shown) == 3
    assert not any(said in each for each in shown)


@pytest.mark.usefixtures("live")
def test_the_range_is_asked_for(opened: Opened, metrics: Canned) -> None:
    app = opened("live")
    app.button_group(key="live_range").set_value("24h").run()
    last = metrics.asked("GET", "/api/v1/query_range")[-1].query
    assert float(last["end"]) - float(last["start"]) == pytest.approx(DAY)
    assert float(last["step"]) == DAY / 120


@pytest.mark.usefixtures("live")
def test_alerts_of_this_model_the_worst_first(opened: Opened, metrics: Canned) -> None:
    every = [
        alert("FeatureDrift", model="small", feature="a"), alert("FeatureDrift", model="small", feature="b"),
        alert("ServerDown", "page"), alert("EtlLate", model="three"), alert("DataDrift", state="pending"),
    ]  # fmt: skip
    metrics.give("GET", "/api/v1/alerts", {"data": {"alerts": every}})
    app = opened("live")
    [page] = app.error
    [ticket] = [each for each in app.warning if "FeatureDrift" in each.value]
    assert "**ServerDown** (page, since 2026-11-21 04:05 UTC)" in page.value
    assert "docs/runbook.md#ServerDown" in page.value
    assert ticket.value.count(f"FeatureDrift of it. {verbatim('Why.')}") == 2
    captions = [each.value for each in app.caption]
    assert "Pending: DataDrift." in captions
    assert "Firing for other models: EtlLate." in captions


@pytest.mark.usefixtures("live", "metrics")
def test_no_alert_is_good_news(opened: Opened) -> None:
    assert [each.value for each in opened("live").success] == ["No alert fires."]


@pytest.mark.usefixtures("live", "metrics")
def test_ages_of_the_pipelines_beside_their_limits(opened: Opened) -> None:
    tables = [each.value.to_dict("list") for each in opened("live").dataframe]
    ages = next(each for each in tables if "Last success" in each)
    assert ages == {
        "Step": ["etl", "train"], "Last success": ["40.0 days", "1.0 days"], "At most": ["35.0 days", "–"],
        "Verdict": ["late", "–"],
    }  # fmt: skip


@pytest.mark.usefixtures("live", "metrics")
def test_what_alerts_led_to(opened: Opened) -> None:
    app = opened("live")
    assert any("In quarantine: TargetLeak" in each.value for each in app.warning)
    decided = next(each.value for each in app.dataframe if "Decision" in each.value).to_dict("list")
    assert decided["Reason"] == ["PerformanceLow"]
    assert decided["Run"] == ["run-7"]


@pytest.mark.usefixtures("live")
def test_without_prometheus_the_server_is_still_told(opened: Opened) -> None:
    app = opened("live")
    [error] = app.error
    assert "Prometheus at http://127.0.0.1:7 does not answer" in error.value
    assert values(app)["Champion"] == "version 3"
    assert any("TargetLeak" in each.value for each in app.warning)


@pytest.mark.usefixtures("live", "metrics")
def test_a_prometheus_that_does_not_know_the_server(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(NOW, 'up{job="servicio-ml"}')
    assert any("has never seen this server" in each.value for each in opened("live").warning)


@pytest.mark.usefixtures("metrics")
def test_a_server_that_is_not_ready_and_why(opened: Opened, live: Canned) -> None:
    live.give("GET", "/health/ready", {"title": "Service Unavailable", "detail": "no"}, 503)
    _, model = live.answers["GET", "/models/small"]
    live.give("GET", "/models/small", {**model, "champion": None, "problem": "the registry is away"})
    app = opened("live")
    assert values(app)["Server"] == "not ready"
    assert any("the registry is away" in each.value for each in app.warning)
    assert "Performance" not in [each.value for each in app.subheader]


@pytest.mark.usefixtures("live", "metrics")
def test_looking_again_can_be_paused(opened: Opened) -> None:
    app = opened("live")
    toggle = app.toggle(key="live_again")
    assert toggle.value
    toggle.set_value(False).run()
    assert not app.exception


@pytest.mark.usefixtures("live", "metrics")
def test_in_spanish(opened: Opened) -> None:
    app = opened("live", lang="es")
    assert app.title[0].value == "En vivo"
    assert values(app)["Campeón"] == "versión 3"
