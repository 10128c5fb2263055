"""The page Home over a fake server and a fake Prometheus."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages_app import FakeServer, RecordedCall
from streamlit_app.all_models.measurements import LIMITS, PERFORMANCE, PREDICTIONS, PerformanceMargin, fetch

OpenPage = Callable[..., AppTest]
CREATED = 1_790_000_000.0
SAMPLES: Mapping[str, list[tuple[dict[str, str], float]]] = {
    PREDICTIONS: [({"model": "small"}, 1234.2)],
    PERFORMANCE: [
        ({"__name__": "model:accuracy_realised:ratio", "model": "small", "version": "3"}, 0.80),
        ({"__name__": "model:accuracy_expected:ratio", "model": "small", "version": "3"}, 0.90),
        ({"__name__": "model:f1_macro_expected:ratio", "model": "small", "version": "3"}, 0.50),
        ({"__name__": "model:mae_realised:value", "model": "three", "version": "1"}, 12.0),
    ],
    LIMITS: [
        ({"model": "small", "version": "3", "metric": "accuracy"}, 0.75),
        ({"model": "small", "version": "3", "metric": "f1_macro"}, 0.25),
        ({"model": "three", "version": "1", "metric": "mae"}, 10.0),
        ({"model": "three", "version": "2", "metric": "mae"}, 1.0),
    ],
}


def build_model(name: str, **changes: object) -> dict[str, Any]:
    version = {"version": 3, "aliases": [], "run_id": "r", "created": CREATED, "tags": {}}
    return {
        "model": name, "task": "binary", "champion": 3, "challenger": None, "runtime": "onnx",
        "row_seconds": None, "loaded": 1.0, "checked": 2.0, "problem": "",
        "traffic": {"shadow": 0, "canary": 0}, "versions": [version], **changes,
    }  # fmt: skip


def build_alert(model: str, severity: str, state: str = "firing") -> dict[str, Any]:
    labels = {"alertname": "A", "severity": severity, "model": model}
    return {"labels": labels, "annotations": {}, "state": state, "activeAt": "2026-11-21T04:05:06Z"}


@pytest.fixture
def models(service: FakeServer) -> FakeServer:
    service.set_response("GET", "/models/small", build_model("small"))
    isolated = build_model("three", champion=1, runtime="isolated_process", versions=[])
    service.set_response("GET", "/models/three", isolated)
    return service


@pytest.fixture
def metrics(prometheus: FakeServer) -> FakeServer:
    def answer_query(call: RecordedCall) -> tuple[int, Any]:
        found = [
            {"metric": labels, "value": [0, str(value)]}
            for labels, value in SAMPLES.get(call.query["query"], [])
        ]
        return 200, {"status": "success", "data": {"result": found}}

    prometheus.responses["GET", "/api/v1/query"] = answer_query
    alerts = [
        build_alert("small", "ticket"),
        build_alert("small", "page"),
        build_alert("three", "page", "pending"),
    ]
    prometheus.set_response("GET", "/api/v1/alerts", {"data": {"alerts": alerts}})
    return prometheus


def read_rows(app: AppTest) -> list[dict[Hashable, Any]]:
    return app.dataframe[0].value.to_dict("records")


@pytest.mark.usefixtures("models", "metrics")
def test_all_models_at_a_glance(open_page: OpenPage) -> None:
    assert read_rows(open_page("all_models")) == [
        {
            "Use case": "Small", "State": "ready", "Champion": "version 3",
            "Predictions in 24 h": "1\u202f234", "Performance": "accuracy 0.8", "Margin": "+0.05",
            "Last training": "2026-09-21 14:13", "Alerts": "1 × page, 1 × ticket",
        },
        {
            "Use case": "Three", "State": "ready", "Champion": "version 1, isolated",
            "Predictions in 24 h": "–", "Performance": "mae 12", "Margin": "-2", "Last training": "–",
            "Alerts": "none",
        },
    ]  # fmt: skip


def test_a_model_that_is_not_served_says_why(open_page: OpenPage, models: FakeServer) -> None:
    models.set_response("GET", "/models/small", build_model("small", problem="its artifact is damaged"))
    models.set_response("GET", "/models/three", build_model("three", champion=None, loaded=None))
    app = open_page("all_models")
    assert [each["State"] for each in read_rows(app)] == ["its artifact is damaged", "not loaded"]
    assert read_rows(app)[1]["Champion"] == "–"
    [error] = app.error
    assert "Prometheus" in error.value
    assert {each["Alerts"] for each in read_rows(app)} == {"–"}


def test_the_first_steps_where_there_is_no_model(open_page: OpenPage, service: FakeServer) -> None:
    service.set_response("GET", "/", {"models": [], "titles": {}, "default_model": "small"})
    app = open_page("all_models")
    assert [each.value.split()[1] for each in app.code] == ["init", "data", "import"]
    assert not app.warning


def test_a_margin_has_the_sign_of_its_metric() -> None:
    assert PerformanceMargin(metric="mae", value=3, limit=5).margin == 2
    assert PerformanceMargin(metric="accuracy", value=0.5, limit=0.75).margin == -0.25


def test_no_measurement_is_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit_app.session.query_prometheus", lambda *_: [])
    found = fetch(["small"])["small"]
    assert (found.predictions, found.margins, found.pages, found.tickets) == (None, {}, 0, 0)
