"""The page Drift over a fake server."""

from collections.abc import Callable, Hashable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages_app import FakeServer
from streamlit_app.drift.report import embed_report

pytestmark = pytest.mark.slow
OpenPage = Callable[..., AppTest]
PATH, ACCEPTED = "/models/small/drift", "/models/small/acknowledgements"
HELD = {
    "feature": "weight", "reason": "new scales", "by": "boss", "until": "2026-12-01T00:00:00Z", "psi": 0.5,
}  # fmt: skip
WINDOW = {"start": "2026-11-20T00:00:00Z", "end": "2026-11-21T00:00:00Z"}
REPORT = {"version": 3, "window": WINDOW, "rows": 1234, "verdict": "impact", "drifted_share": 0.5}


def build_column(name: str, psi: float | None, *, limit: float = 0.25) -> dict[str, Any]:
    return {
        "name": name, "psi": psi, "threshold": limit if psi is not None else None,
        "drifted": psi is not None and psi >= limit, "missing": 0.3 if psi is not None else None,
        "reference_missing": 0.1, "current": {"< 1": 0.7, "missing": 0.3} if psi is not None else {},
        "reference": {"< 1": 0.9, "missing": 0.1},
    }  # fmt: skip


def build_state(rows: int = 2000) -> dict[str, Any]:
    some = rows > 0
    return {
        "model": "small",
        "version": 3,
        "window": WINDOW,
        "rows": rows,
        "reference_rows": 300,
        "drifted_share": 0.5 if some else 0.0,
        "features": [
            build_column("size", 0.1 if some else None),
            build_column("weight", 0.5 if some else None),
        ],
        "prediction": build_column("prediction", 0.3 if some else None, limit=0.4),
    }


@pytest.fixture
def drift(service: FakeServer) -> FakeServer:
    fields = [
        {"name": "size", "description": "Size of it"},
        {"name": "weight", "description": "Weight of it"},
    ]
    service.set_response("GET", "/models/small/schema", {"fields": fields})
    service.set_response("GET", PATH, build_state())
    service.set_response("GET", ACCEPTED, {"model": "small", "held": [], "history": []})
    return service


def read_tables(app: AppTest) -> list[dict[Hashable, Any]]:
    return [each.value.to_dict("list") for each in app.dataframe]


def test_columns_are_ranked_by_index_over_threshold(open_page: OpenPage, drift: FakeServer) -> None:
    app = open_page("drift")
    ranking = read_tables(app)[0]
    assert ranking["Column"] == ["Weight of it", "Prediction", "Size of it"]
    assert ranking["PSI / threshold"] == pytest.approx([2, 0.75, 0.4])
    assert ranking["Verdict"] == ["drifted", "not drifted", "not drifted"]
    assert {each.label: each.value for each in app.metric} | {"Rows in the window": "2,000"} == {
        "Rows in the window": "2,000", "Drifted features": "50 %", "Prediction": "not drifted",
        "Version": "3", "Population stability index (PSI)": "0.500", "Threshold": "0.250",
        "Missing": "30.0 %",
    }  # fmt: skip
    assert len(drift.find_calls("GET", PATH)) == 1


@pytest.mark.usefixtures("drift")
def test_a_picked_column_is_shown_beside_its_reference(open_page: OpenPage) -> None:
    app = open_page("drift")
    assert app.selectbox(key="drift_column").value == "weight"
    app.selectbox(key="drift_column").select("size").run()
    shares = read_tables(app)[1]
    assert shares["Bin"] == ["< 1", "missing"]
    assert shares["Training rows of the same seasons"] == pytest.approx([90, 10])
    assert shares["Rows in the window"] == pytest.approx([70, 30])


def test_the_window_is_asked_for(open_page: OpenPage, drift: FakeServer) -> None:
    app = open_page("drift")
    app.button_group(key="drift_window").set_value("30d").run()
    assert [call.query["window"] for call in drift.find_calls("GET", PATH)] == ["24h", "30d"]


def test_a_window_without_rows_is_reported(open_page: OpenPage, drift: FakeServer) -> None:
    drift.set_response("GET", PATH, build_state(0))
    app = open_page("drift")
    assert "has scored no rows in this window" in app.info[0].value
    assert app.dataframe.len == 0


def test_accepted_drift_is_shown_with_its_last_day(open_page: OpenPage, drift: FakeServer) -> None:
    drift.set_response("GET", ACCEPTED, {"model": "small", "held": [HELD], "history": [HELD]})
    drift.set_response("DELETE", f"{ACCEPTED}/weight", HELD)
    app = open_page("drift")
    accepted = read_tables(app)[-1]
    assert accepted["Column"] == ["Weight of it"]
    assert (accepted["Last day (UTC)"], accepted["Reason"]) == (["2026-11-30"], ["new scales"])
    app.button(key="end_weight").click().run()
    assert len(drift.find_calls("DELETE", f"{ACCEPTED}/weight")) == 1


def test_a_drift_is_accepted_with_a_reason(open_page: OpenPage, drift: FakeServer) -> None:
    drift.set_response("POST", ACCEPTED, HELD)
    app = open_page("drift")
    app.selectbox(key="accepted_feature").select("weight").run()
    app.button(key="accept_drift").click().run()
    assert "Enter a reason" in app.error[0].value
    assert drift.find_calls("POST", ACCEPTED) == []
    app.text_area(key="accepted_reason").set_value("new scales").run()
    app.button(key="accept_drift").click().run()
    [call] = drift.find_calls("POST", ACCEPTED)
    assert (call.body["feature"], call.body["reason"]) == ("weight", "new scales")
    assert call.body["until"] == f"{app.date_input(key='accepted_until').value:%Y-%m-%d}"
    assert not app.exception


def test_a_proposal_is_shown_with_its_commands(open_page: OpenPage, drift: FakeServer) -> None:
    report = {**REPORT, "verdict": "drift", "proposal": "train"}
    drift.set_response("GET", f"{PATH}/report", report)
    assert "`servicio-ml train small`" in open_page("drift").info[0].value


def test_a_missing_report_is_reported_with_its_command(open_page: OpenPage, drift: FakeServer) -> None:
    drift.set_response("GET", f"{PATH}/report", {"title": "Not Found", "detail": "no report"}, 404)
    assert "`servicio-ml report small`" in open_page("drift").info[0].value


def test_the_report_is_loaded_only_when_asked_for(open_page: OpenPage, drift: FakeServer) -> None:
    def answer(call: Any) -> tuple[int, Any]:
        return 200, "<h1>Report</h1>" if call.query["format"] == "html" else REPORT

    drift.responses["GET", f"{PATH}/report"] = answer
    app = open_page("drift")
    asked = [call.query["format"] for call in drift.find_calls("GET", f"{PATH}/report")]
    assert asked == ["json"]
    assert any("Drift with a loss of performance." in each.value for each in app.markdown)
    app.toggle(key="drift_report").set_value(True).run()
    assert [call.query["format"] for call in drift.find_calls("GET", f"{PATH}/report")] == ["json", "html"]
    assert not app.exception


def test_the_report_has_no_origin_and_reaches_nothing() -> None:
    page = embed_report('<script>parent.document.title = "x"</script>"')
    assert 'sandbox="allow-scripts"' in page
    assert "allow-same-origin" not in page
    assert "<script>" not in page
    assert "default-src &#x27;none&#x27;" in page


def test_a_refusal_of_the_server_is_reported(open_page: OpenPage, drift: FakeServer) -> None:
    drift.set_response("GET", PATH, {"title": "Service Unavailable", "detail": "no champion yet"}, 503)
    app = open_page("drift")
    assert app.error
    assert any("no champion yet" in each.value for each in app.code)


@pytest.mark.usefixtures("drift")
def test_in_spanish(open_page: OpenPage) -> None:
    app = open_page("drift", lang="es")
    assert app.title[0].value == "Deriva"
    assert app.metric[0].label == "Filas en la ventana"
