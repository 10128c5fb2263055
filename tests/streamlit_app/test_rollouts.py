"""The tab Rollout of the page Models, over a fake server."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages_app import FakeServer

pytestmark = pytest.mark.slow
OpenPage = Callable[..., AppTest]
PATH = "/models/small/rollout"
BOSS = "boss-key"
TABS = {
    "en": {"models_Candidates_Plots_Model card_Rollout_History_Administration": "Rollout"},
    "es": {"models_Candidatos_Gráficos_Ficha del modelo_Despliegue_Historial_Administración": "Despliegue"},
}
RAMP = {
    "shadow": 0.2, "steps": [0.01, 0.25, 1.0], "min_rows": 1500, "min_hours": 0.0, "max_hours": 72.0,
    "undecided": "abort", "error_rate": 0.05, "watch_hours": 48.0,
}  # fmt: skip


def build_finding(name: str, verdict: str, value: float | None, limit: float) -> dict[str, Any]:
    return {"guardrail": name, "verdict": verdict, "rows": 1234, "value": value, "limit": limit, "text": ""}


FINDINGS = [
    build_finding("loss", "open", None, 0.02),
    build_finding("expected_loss", "holds", -0.0123, 0.1),
    build_finding("shift", "holds", 0.012, 0.1),
    build_finding("failures", "breached", 0.02, 0.005),
    build_finding("latency", "open", 0.25, 0.5),
]


def build_event(at: float, state: str, share: float, reason: str) -> dict[str, Any]:
    return {"at": at, "state": state, "share": share, "reason": reason, "by": "boss"}


def build_rollout(state: str, **changed: Any) -> dict[str, Any]:
    ended = state in {"finished", "rolled_back", "aborted"}
    return {
        "id": "a", "model": "small", "champion": 2, "challenger": 3, "state": state, "ended": ended,
        "share": 0.25, "step": 2, "steps": RAMP["steps"], "since": 1.6e9, "deadline": 1.6e9 + 72 * 3600,
        "started_at": 1.6e9, "judged_at": 1.6e9, "rows_before": 0, "findings": FINDINGS,
        "events": [
            build_event(1.6e9, "ramping", 0.0, "version 3 scores 20% of the rows in shadow"),
            build_event(1.6e9 + 60, "ramping", 0.25, "all guardrails hold"),
        ],
        "ramp": RAMP, **changed,
    }  # fmt: skip


def build_version(number: int, *aliases: str) -> dict[str, Any]:
    tags = {"candidate": "tree", "period": "2020-01"}
    return {"version": number, "aliases": [*aliases], "run_id": "r", "created": 1.6e9, "tags": tags}


@pytest.fixture
def server(service: FakeServer) -> FakeServer:
    """A champion, a challenger and an older version; no rollout."""
    model = {
        "model": "small", "task": "binary", "champion": 2, "challenger": 3, "runtime": "onnx",
        "row_seconds": None, "loaded": 1.6e9, "checked": 1.6e9, "problem": "",
        "traffic": {"shadow": 0, "canary": 0},
        "versions": [build_version(3, "challenger"), build_version(2, "champion"), build_version(1)],
    }  # fmt: skip
    service.set_response("GET", "/models/small", model)
    history = {"model": "small", "champions": [], "decisions": []}
    service.set_response("GET", "/models/small/history", history)
    return service


def open_tab(open_page: OpenPage, lang: str = "en") -> AppTest:
    return open_page("models", lang=lang, api_key=BOSS, **TABS[lang])


def read_texts(app: AppTest) -> str:
    kinds = (app.markdown, app.info, app.warning, app.error, app.success, app.caption)
    return "\n".join(each.value for kind in kinds for each in kind)


def list_buttons(app: AppTest) -> set[str]:
    return {each.key.removeprefix("rollout_") for each in app.button if each.key and "rollout_" in each.key}


def read_figures(app: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in app.metric}


def test_a_running_rollout_is_shown(server: FakeServer, open_page: OpenPage) -> None:
    server.set_response("GET", PATH, build_rollout("ramping"))
    app = open_tab(open_page)
    assert "Rollout of version 3: ramping. It answers 25 % of the clients" in app.info[0].value
    shown = read_figures(app)
    assert (shown["State"], shown["Clients of the challenger"], shown["Step"]) == (
        "Ramping", "25 %", "2 of 3",
    )  # fmt: skip
    said = read_texts(app)
    assert "Step or watch period last until 2020-09-16 12:26 UTC at most." in said
    assert "shadow → 1 % → **25 %** → 100 % → watch period" in said
    assert "A step needs 1\u202f500 rows of the challenger and 0 h at least." in said
    assert "Without enough evidence after 72 h, the rollout ends." in said
    assert list_buttons(app) == {"pause", "abort"}


def test_guardrails_have_their_units(server: FakeServer, open_page: OpenPage) -> None:
    server.set_response("GET", PATH, build_rollout("ramping"))
    table = open_tab(open_page).table[0].value
    assert [*table["Evidence"]] == ["… open", "✓ holds", "✓ holds", "✗ breached", "… open"]
    assert [*table["Measured"]] == [
        "–", "-1.2 %", "+0.012 standard deviations", "2.00 %", "slower in 25 % of the trials"
    ]  # fmt: skip
    assert table["Limit"][0] == "+2.0 %"
    assert table["Rows"][0] == "1\u202f234"


def test_events_are_shown_the_newest_first(server: FakeServer, open_page: OpenPage) -> None:
    server.set_response("GET", PATH, build_rollout("ramping"))
    events = open_tab(open_page).dataframe[-1].value
    assert [*events["Clients"]] == ["25 %", "0 %"]
    assert events["Reason"][0] == "all guardrails hold"
    assert events["By"][0] == "boss"


@pytest.mark.parametrize(
    ("state", "present", "buttons"),
    [
        ("paused", "→ **25 %** →", {"resume", "abort"}),
        ("promoting", "→ **25 %** →", set()),
        ("watching", "→ **watch period**", set()),
        ("rolling_back", "→ **watch period**", set()),
        ("rolled_back", "→ 25 % →", {"start"}),
    ],
)
def test_the_state_says_what_can_be_done(
    server: FakeServer, open_page: OpenPage, state: str, present: str, buttons: set[str]
) -> None:
    server.set_response("GET", PATH, build_rollout(state, deadline=None))
    app = open_tab(open_page)
    assert present in read_texts(app)
    assert {each for each in list_buttons(app) if "version" not in each} == buttons
    assert "UTC at most" not in read_texts(app)
    assert any("see the tab Rollout" in each.value for each in app.info) == (state != "rolled_back")


@pytest.mark.parametrize(
    ("state", "change", "said"),
    [
        ("ramping", "pause", "The rollout is paused."),
        ("paused", "resume", "The rollout goes on."),
        ("ramping", "abort", "The rollout has ended."),
    ],
)
def test_a_change_after_a_confirmation(
    server: FakeServer, open_page: OpenPage, state: str, change: str, said: str
) -> None:
    server.set_response("GET", PATH, build_rollout(state))
    server.set_response("POST", f"{PATH}/{change}", build_rollout("aborted"))
    app = open_tab(open_page)
    app.button(key=f"rollout_{change}").click().run()
    assert server.find_calls("POST", f"{PATH}/{change}") == []
    app.text_area(key="models_reason").input("it is late")
    app.button(key="models_confirm").click().run()
    [call] = server.find_calls("POST", f"{PATH}/{change}")
    assert (call.body, call.headers["x-api-key"]) == ({"reason": "it is late"}, BOSS)
    assert said in read_texts(app)
    assert not app.exception


def test_no_reason_is_needed(server: FakeServer, open_page: OpenPage) -> None:
    server.set_response("GET", PATH, build_rollout("ramping"))
    server.set_response("POST", f"{PATH}/pause", build_rollout("paused"))
    app = open_tab(open_page)
    app.button(key="rollout_pause").click().run()
    app.button(key="models_confirm").click().run()
    assert [call.body for call in server.find_calls("POST", f"{PATH}/pause")] == [{}]


def test_the_first_rollout_is_started(server: FakeServer, open_page: OpenPage) -> None:
    server.set_response("POST", PATH, build_rollout("ramping", step=0, share=0.0, findings=[]))
    app = open_tab(open_page)
    assert "There has been no rollout." in read_texts(app)
    assert app.selectbox(key="rollout_version:small").options == ["3 · tree", "1 · tree"]
    app.button(key="rollout_start").click().run()
    assert "Version **3** of **small** scores in shadow first" in read_texts(app)
    app.button(key="models_confirm").click().run()
    assert [call.body for call in server.find_calls("POST", PATH)] == [{"version": 3}]
    assert "The rollout of version 3 has started." in read_texts(app)


def test_a_rollout_in_shadow_has_not_been_judged(server: FakeServer, open_page: OpenPage) -> None:
    rollout = build_rollout("ramping", step=0, share=0.0, findings=[], judged_at=None)
    server.set_response("GET", PATH, rollout)
    app = open_tab(open_page)
    assert "They have not been judged yet." in read_texts(app)
    assert read_figures(app)["Step"] == "shadow"
    assert "**shadow** → 1 %" in read_texts(app)


def test_a_refusal_is_explained(server: FakeServer, open_page: OpenPage) -> None:
    server.set_response("GET", PATH, build_rollout("ramping"))
    server.set_response("POST", f"{PATH}/abort", {"title": "Conflict", "detail": "it is promoting"}, 409)
    app = open_tab(open_page)
    app.button(key="rollout_abort").click().run()
    app.button(key="models_confirm").click().run()
    assert "it is promoting" in [each.value for each in app.code]


def test_without_the_store_the_page_shows_the_rest(server: FakeServer, open_page: OpenPage) -> None:
    server.set_response("GET", PATH, {"title": "no", "detail": "the store is away"}, 503)
    app = open_page("models")
    assert "the store is away" in [each.value for each in app.code]
    assert next(each.value for each in app.metric) == "2 · tree"


def test_in_spanish(server: FakeServer, open_page: OpenPage) -> None:
    server.set_response("GET", PATH, build_rollout("watching"))
    app = open_tab(open_page, "es")
    assert read_figures(app)["Estado"] == "En observación"
    assert "en la sombra → 1 % → 25 % → 100 % → **observación**" in read_texts(app)
    assert app.table[0].value["Evidencia"][3] == "✗ incumplida"


def build_experiment(**changed: Any) -> dict[str, Any]:
    arm = {"version": 2, "share": 0.5, "rows": 1234, "mean": 0.125, "improvement": None, "low": None}
    arm |= {"high": None, "verdict": None}
    challenger = {"version": 3, "improvement": 0.031, "low": 0.011, "high": 0.052, "verdict": "better"}
    design = {"metric": "error", "minimum_effect": 0.01, "relative": True, "error_rate": 0.05}
    return {
        "champion": 2, "ended": False, "since": 1.6e9, "deadline": 1.6e9 + 72 * 3600,
        "arms": [arm, {**arm, **challenger}], "design": design, **changed,
    }  # fmt: skip


def test_an_experiment_is_shown(server: FakeServer, open_page: OpenPage) -> None:
    server.set_response("GET", "/models/small/experiment", build_experiment())
    app = open_tab(open_page)
    said = read_texts(app)
    assert "It compares the share of wrong classes from 2020-09-13 12:26 to 2020-09-16 12:26 UTC" in said
    table = app.table[-1].value
    assert [*table["Version"]] == ["2 · champion", "3"]
    assert [*table["Evidence"]] == ["–", "✓ better"]
    assert [*table["Interval"]] == ["–", "+1.1 % … +5.2 %"]


def test_an_experiment_that_is_over_in_the_unit_of_its_metric(
    server: FakeServer, open_page: OpenPage
) -> None:
    experiment = build_experiment(ended=True)
    experiment["design"] |= {"relative": False, "metric": "truth"}
    server.set_response("GET", "/models/small/experiment", experiment)
    app = open_tab(open_page, "es")
    assert "el valor real desde el 2020-09-13 12:26 UTC" in read_texts(app)
    assert [*app.table[-1].value["Mejora"]] == ["–", "+0.031"]
