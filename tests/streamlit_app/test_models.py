"""The page Models without a browser."""

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages_app import FakeServer
from streamlit_app.translation import escape_markdown

pytestmark = pytest.mark.slow

MODEL = "small"
OpenPage = Callable[..., AppTest]
TABS_KEY = "models_Candidates_Plots_Model card_Rollout_History_Administration"
ADMINISTRATION = {TABS_KEY: "Administration"}
POLICY = {"metric": "roc_auc", "floor": 0.8, "margin": 0.005}
REJECTION = "not worse than the champion: not gain -0.02 > 0"


def build_version(number: int, *aliases: str, candidate: str = "tree") -> dict[str, Any]:
    tags = {"candidate": candidate, "period": "2020-01", "trained_until": "2019-12-31"}
    return {"version": number, "aliases": [*aliases], "run_id": "r", "created": 1.6e9 + number, "tags": tags}


def build_model(*versions: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
    champion = next((each["version"] for each in versions if "champion" in each["aliases"]), None)
    return {
        "model": MODEL, "task": "binary", "champion": champion, "challenger": None,
        "runtime": "onnx", "row_seconds": None,
        "loaded": 1.6e9,
        "checked": 1.6e9, "problem": "", "traffic": {"shadow": 0, "canary": 0}, "versions": [*versions],
        **changed,
    }  # fmt: skip


def build_decision(decision: str, number: int, against: int | None, gain: float | None) -> dict[str, Any]:
    """Build a decision with its evidence."""
    comparison = {
        "rows": 1234, "challenger": 0.9, "champion": 0.92 if against else None, "gain": gain,
        "interval": [gain - 0.01, gain + 0.01] if gain is not None else None, "slices": [],
        "calibration_error": 0.01, "latency_seconds": 0.001,
    }  # fmt: skip
    gates = [
        {"name": "floor", "passed": True, "detail": "roc_auc 0.9 >= 0.8"},
        {"name": "not worse than the champion", "passed": decision == "promoted", "detail": "gain [x](y)"},
    ]
    return {
        "decision": decision, "version": number, "against": against, "by": "airflow", "at": 1.6e9 + number,
        "reason": REJECTION if decision == "rejected" else "floor: passed",
        "evidence": {
            "period": "2020-01", "data_digest": "d", "metric": "roc_auc", "sample_weight": "",
            "policy": POLICY,
            "comparison": comparison, "gates": gates,
        },
    }  # fmt: skip


def build_tenure(number: int, since: float, until: float | None) -> dict[str, Any]:
    return {"version": number, "since": since, "until": until, "by": "airflow", "reason": "promoted: good"}


TENURES = [build_tenure(2, 1.61e9, None), build_tenure(1, 1.6e9, 1.61e9)]
VERSIONS = (
    build_version(3, "challenger", candidate="forest"),
    build_version(2, "champion"),
    build_version(1),
)
CANDIDATES = {
    "model": MODEL, "run_id": "r", "period": "2020-01", "data_digest": "d", "started": 1.6e9, "ended": 1.6e9,
    "train_rows": 400, "test_rows": 100, "sample_weight": "", "decision": "rejected",
    "candidates": [
        {
            "candidate": name, "version": number, "eligible": number is not None,
            "reason": "" if number else "one row takes 90 ms", "params": {"max_depth": 4, "rate": 0.123456},
            "trials": 5, "validation": 0.9, "validation_error": 0.01,
            "metrics": {"roc_auc": 0.91, "f1": None},
            "latency_seconds": 0.002, "parity": 1e-7, "threshold": 0.5,
        }
        for name, number in (("forest", 3), ("knn", None))
    ],
}  # fmt: skip


@pytest.fixture
def server(service: FakeServer) -> FakeServer:
    """A champion, a challenger that was rejected, an earlier champion."""
    service.set_response("GET", f"/models/{MODEL}", build_model(*VERSIONS))
    history = {
        "model": MODEL, "champions": TENURES,
        "decisions": [build_decision("rejected", 3, 2, -0.02), build_decision("promoted", 2, 1, 0.03)],
    }  # fmt: skip
    service.set_response("GET", f"/models/{MODEL}/history", history)
    service.set_response("GET", f"/models/{MODEL}/candidates", CANDIDATES)
    return service


def read_texts(app: AppTest) -> str:
    """Read all texts of the page."""
    kinds = (app.markdown, app.info, app.warning, app.error, app.success, app.caption)
    return "\n".join(each.value for kind in kinds for each in kind)


def read_metrics(app: AppTest) -> list[str]:
    return [each.value for each in app.metric]


@pytest.mark.parametrize(("row_seconds", "count"), [(None, 0), (0.0125, 1)], ids=["ONNX", "isolated"])
def test_an_isolated_champion_is_marked(
    server: FakeServer, open_page: OpenPage, row_seconds: float | None, count: int
) -> None:
    state = {**build_model(*VERSIONS), "runtime": "isolated_process", "row_seconds": row_seconds}
    server.set_response("GET", f"/models/{MODEL}", state)
    said = "it runs in an isolated process: about 12.5 ms a row"
    assert read_texts(open_page("models")).count(said) == count


@pytest.mark.usefixtures("server")
def test_champion_and_challenger_side_by_side_with_the_evaluation(open_page: OpenPage) -> None:
    app = open_page("models")
    assert read_metrics(app) == ["2 · tree", "0.92", "3 · forest", "0.9"]
    assert "**Rejected**: version 3 compared with version 2 on 1\u202f234 rows of 2020-01" in read_texts(app)
    gates = app.table[0].value
    assert [*gates["Passed"]] == ["✓", "✗"]
    assert gates["Measured"][1] == r"gain \[x\]\(y\)"
    table = app.dataframe[-1].value
    assert [*table["Candidate"]] == ["forest", "knn"]
    assert table["Eligible"][1] == "✗ one row takes 90 ms"
    assert table["Latency of one row (ms)"][0] == 2
    assert table["Hyperparameters"][0] == "max_depth 4, rate 0.1235"
    assert "weighted" not in read_texts(app) + "".join(each.label for each in app.metric)


@pytest.mark.parametrize(
    ("lang", "label", "sentence"),
    [
        (
            "en",
            "roc_auc on the same rows, weighted by exposure",
            "Rows are weighted in the metrics by exposure.",
        ),
        (
            "es",
            "roc_auc sobre las mismas filas, ponderadas por exposure",
            "En las métricas, las filas se ponderan por exposure.",
        ),
    ],
)
def test_weighted_metrics_name_their_field(
    server: FakeServer, open_page: OpenPage, lang: str, label: str, sentence: str
) -> None:
    decision = build_decision("rejected", 3, 2, -0.02)
    decision["evidence"]["sample_weight"] = "exposure"
    history = {"model": MODEL, "champions": TENURES, "decisions": [decision]}
    server.set_response("GET", f"/models/{MODEL}/history", history)
    server.set_response("GET", f"/models/{MODEL}/candidates", {**CANDIDATES, "sample_weight": "exposure"})
    app = open_page("models", lang=lang)
    assert [each.label for each in app.metric].count(label) == 2
    # of the evaluation and of the candidates
    assert [each.value for each in app.caption].count(sentence) == 2


@pytest.mark.parametrize(
    ("lang", "head", "gate"),
    [
        ("en", "Answered positive", "Groups of protected attributes alike"),
        ("es", "Respuestas positivas", "Grupos de atributos protegidos parecidos"),
    ],
)
def test_the_rates_of_protected_groups_are_shown(
    server: FakeServer, open_page: OpenPage, lang: str, head: str, gate: str
) -> None:
    decision = build_decision("rejected", 3, 2, -0.02)
    rates = {"rows": 1200, "positives": 9, "selection_rate": 0.305, "fpr": 0.1, "calibration_error": 0.02}
    decision["evidence"]["comparison"]["fairness"] = [
        {"field": "sex", "group": "female", "tpr": 0.8, **rates},
        {"field": "sex", "group": "male", "tpr": None, **rates},
    ]
    decision["evidence"]["gates"].append(
        {"name": "fairness", "passed": False, "detail": "selection rate difference of sex 0.200 <= 0.1"}
    )
    history = {"model": MODEL, "champions": TENURES, "decisions": [decision]}
    server.set_response("GET", f"/models/{MODEL}/history", history)
    app = open_page("models", lang=lang)
    gates, table = (each.value for each in app.table[:2])
    assert gate in gates.to_string()
    assert r"0\.200 \<\= 0\.1" in gates["Measured" if lang == "en" else "Medido"].iloc[-1]
    assert [*table[head]] == ["30.5 %", "30.5 %"]
    assert "–" in table.to_string()
    assert ("selection rate difference of" in gates.to_string()) == (lang == "en")


@pytest.mark.parametrize(
    ("versions", "history", "text"),
    [
        ((), [], "There is no challenger yet. Train one with `servicio-ml train small`."),
        (
            (build_version(1, "challenger"),),
            [],
            "No version is champion, so the server makes no predictions.",
        ),
        (
            (build_version(2, "challenger"), build_version(1, "champion")),
            [],
            "Version 2 has not been evaluated yet.",
        ),
        (
            (build_version(1, "champion", "challenger"),),
            [build_decision("promoted", 1, None, None)],
            "The latest challenger, version 1, is the champion.",
        ),
        (
            (build_version(3, "challenger"), build_version(2), build_version(1, "champion")),
            [build_decision("rejected", 3, 2, -0.02)],
            "The champion has changed since then.",
        ),
    ],
)
def test_what_is_missing_is_reported(
    service: FakeServer, open_page: OpenPage, versions: tuple[Any, ...], history: list[Any], text: str
) -> None:
    service.set_response("GET", f"/models/{MODEL}", build_model(*versions))
    document = {"model": MODEL, "champions": [], "decisions": history}
    service.set_response("GET", f"/models/{MODEL}/history", document)
    app = open_page("models")
    assert text in read_texts(app)
    assert "No training has succeeded yet." in read_texts(app)


def test_a_champion_that_is_not_served_is_reported(service: FakeServer, open_page: OpenPage) -> None:
    service.set_response(
        "GET", f"/models/{MODEL}", build_model(*VERSIONS, champion=1, problem="golden row 0 differs")
    )
    service.set_response(
        "GET", f"/models/{MODEL}/history", {"model": MODEL, "champions": [], "decisions": []}
    )
    assert "The server does not serve this version: golden row 0 differs" in read_texts(open_page("models"))


@pytest.mark.parametrize(
    ("status", "said"), [(401, "The server requires an API key."), (503, "busy or not ready")]
)
def test_refusals_are_explained(service: FakeServer, open_page: OpenPage, status: int, said: str) -> None:
    service.set_response("GET", f"/models/{MODEL}", {"title": "no", "detail": "no"}, status)
    assert said in read_texts(open_page("models"))


def confirm(app: AppTest, opener: str, reason: str) -> AppTest:
    """Open a dialog, give a reason, confirm."""
    app.button(key=opener).click().run()
    if app.text_area:
        app.text_area(key="models_reason").input(reason)
    app.button(key="models_confirm").click().run()
    assert not app.exception
    return app


@pytest.mark.parametrize(
    ("opener", "number", "warned"), [("models_promote", 3, REJECTION), ("models_rollback", 1, "")]
)
def test_another_champion_after_a_confirmation(
    server: FakeServer, open_page: OpenPage, opener: str, number: int, warned: str
) -> None:
    left = build_model(*(build_version(n, *(["champion"] if n == number else [])) for n in (3, 2, 1)))
    server.set_response("PUT", f"/models/{MODEL}/champion", left)
    app = open_page("models", api_key="boss-key", **ADMINISTRATION)
    app.button(key=opener).click().run()
    said = read_texts(app).replace("\\", "")
    assert f"Version **{number}** of **{MODEL}** becomes champion instead of version **2**." in said
    assert warned in said
    assert server.find_calls("PUT", f"/models/{MODEL}/champion") == []
    confirm(app, opener, "it is better")
    [call] = server.find_calls("PUT", f"/models/{MODEL}/champion")
    assert call.body == {"version": number, "reason": "it is better", "instead_of": 2}
    assert call.headers["x-api-key"] == "boss-key"
    assert f"Version {number} of {MODEL} is champion." in read_texts(app)
    assert read_metrics(app)[0] == f"{number} · tree"


def test_no_reason_changes_nothing(server: FakeServer, open_page: OpenPage) -> None:
    app = confirm(open_page("models", **ADMINISTRATION), "models_promote", "   ")
    assert "Enter a reason" in read_texts(app)
    assert server.find_calls("PUT", f"/models/{MODEL}/champion") == []


@pytest.mark.parametrize(
    ("status", "detail", "said"),
    [
        (403, "key user may not", "This API key lacks the scope `admin`."),
        (401, "unknown", "The server does not know this API key."),
        (409, "version 3 is champion, not version 2", "The server refused the request."),
        (503, "MLflow at http://x", "The server is busy or not ready."),
    ],
)
def test_what_the_server_refuses_is_explained(
    server: FakeServer, open_page: OpenPage, status: int, detail: str, said: str
) -> None:
    server.set_response("PUT", f"/models/{MODEL}/champion", {"title": "no", "detail": detail}, status)
    app = confirm(open_page("models", api_key="some-key", **ADMINISTRATION), "models_promote", "it is better")
    assert said in read_texts(app)
    assert detail in [each.value for each in app.code]


def test_reload(server: FakeServer, open_page: OpenPage) -> None:
    server.set_response("POST", f"/models/{MODEL}/reload", build_model(*VERSIONS))
    app = confirm(open_page("models", **ADMINISTRATION), "models_reload", "")
    assert f"The server serves version 2 of {MODEL}." in read_texts(app)


def test_a_reload_after_which_no_version_is_served(server: FakeServer, open_page: OpenPage) -> None:
    left = {**build_model(*VERSIONS), "champion": None, "problem": "![x](http://elsewhere/y)"}
    server.set_response("POST", f"/models/{MODEL}/reload", left)
    app = confirm(open_page("models", **ADMINISTRATION), "models_reload", "")
    assert f"The server serves no version of {MODEL}." in read_texts(app)
    assert escape_markdown(left["problem"]) in [each.value for each in app.warning]


def test_a_dialog_about_one_model_is_not_shown_for_another(server: FakeServer, open_page: OpenPage) -> None:
    app = open_page("models", models_dialog=("three", "promote"), **ADMINISTRATION)
    assert not app.text_area
    app = open_page("models", models_dialog=(MODEL, "promote"), **ADMINISTRATION)
    assert app.text_area
    assert server.find_calls("PUT", f"/models/{MODEL}/champion") == []


def test_a_challenger_without_an_evaluation_has_a_warning(server: FakeServer, open_page: OpenPage) -> None:
    server.set_response("GET", f"/models/{MODEL}/history", {"model": MODEL, "champions": [], "decisions": []})
    app = open_page("models", **ADMINISTRATION)
    app.button(key="models_promote").click().run()
    assert "Version 3 has not been evaluated yet." in [each.value for each in app.warning]
    assert "No other version has been champion." in read_texts(app)


def test_only_the_chosen_plot_is_fetched(server: FakeServer, open_page: OpenPage) -> None:
    names = {"model": MODEL, "version": 2, "pictures": ["calibration", "optuna_history", "roc"]}
    base = f"/models/{MODEL}/versions/2"
    server.set_response("GET", f"{base}/pictures", names)
    server.set_response("GET", f"{base}/pictures/roc", PNG)
    server.set_response("GET", f"{base}/card", "# The card\n")
    app = open_page("models", **{TABS_KEY: "Plots"})
    assert [each.value for each in app.selectbox if each.key == "models_plot"] == ["roc"]
    fetched = {call.path for call in server.calls if "/versions/" in call.path}
    assert fetched == {f"{base}/pictures", f"{base}/pictures/roc"}
    app = open_page("models", **{TABS_KEY: "Model card"})
    assert "# The card" in read_texts(app)


def _build_png() -> bytes:
    made = BytesIO()
    Image.new("RGB", (1, 1)).save(made, "PNG")
    return made.getvalue()


PNG = _build_png()


def test_tenures_are_ordered_by_version_the_newest_first(server: FakeServer, open_page: OpenPage) -> None:
    tenures = [{**TENURES[0], "version": number, "until": None} for number in (10, 9, 2)]
    history = {"model": MODEL, "champions": tenures, "decisions": [build_decision("promoted", 10, 9, 0.03)]}
    server.set_response("GET", f"/models/{MODEL}/history", history)
    app = open_page("models", **{TABS_KEY: "History"})
    specs = [json.loads(each.proto.spec) for each in app.get("vega_lite_chart")]
    [spec] = [each for each in specs if "x2" in each["layer"][0]["encoding"]]
    assert spec["layer"][0]["encoding"]["y"]["sort"] == ["10", "9", "2"]


def test_the_history_in_spanish(server: FakeServer, open_page: OpenPage) -> None:
    del server
    key = "models_Candidatos_Gráficos_Ficha del modelo_Despliegue_Historial_Administración"
    app = open_page("models", lang="es", **{key: "Historial"})
    [table] = [each.value for each in app.dataframe if "Decisión" in each.value]
    assert [*table["Decisión"]] == ["rechazada", "promovida"]
    assert "**Rechazada**: la versión 3 comparada con versión 2" in read_texts(app)
    assert len(app.table) == 2
