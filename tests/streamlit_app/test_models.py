"""The page Models without a browser."""

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages_app import Canned
from streamlit_app.text import verbatim

pytestmark = pytest.mark.slow

MODEL = "small"
Opened = Callable[..., AppTest]
ADMINISTRATION = {"models_Candidates_Pictures_Card_History_Administration": "Administration"}
POLICY = {"metric": "roc_auc", "floor": 0.8, "margin": 0.005}
REFUSED = "not worse than the champion: not gain -0.02 > 0"


def version(number: int, *aliases: str, candidate: str = "tree") -> dict[str, Any]:
    tags = {"candidate": candidate, "period": "2020-01", "trained_until": "2019-12-31"}
    return {"version": number, "aliases": [*aliases], "run_id": "r", "created": 1.6e9 + number, "tags": tags}


def model(*versions: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
    champion = next((each["version"] for each in versions if "champion" in each["aliases"]), None)
    return {
        "model": MODEL, "task": "binary", "champion": champion, "challenger": None, "loaded": 1.6e9,
        "checked": 1.6e9, "problem": "", "traffic": {"shadow": 0, "canary": 0}, "versions": [*versions],
        **changed,
    }  # fmt: skip


def judged(decision: str, number: int, against: int | None, gain: float | None) -> dict[str, Any]:
    """A judgement with its evidence."""
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
        "reason": REFUSED if decision == "rejected" else "floor: passed",
        "evidence": {
            "period": "2020-01", "data_digest": "d", "metric": "roc_auc", "policy": POLICY,
            "comparison": comparison, "gates": gates,
        },
    }  # fmt: skip


def reign(number: int, since: float, until: float | None) -> dict[str, Any]:
    return {"version": number, "since": since, "until": until, "by": "airflow", "reason": "promoted: good"}


REIGNS = [reign(2, 1.61e9, None), reign(1, 1.6e9, 1.61e9)]
VERSIONS = (version(3, "challenger", candidate="forest"), version(2, "champion"), version(1))
CANDIDATES = {
    "model": MODEL, "run_id": "r", "period": "2020-01", "data_digest": "d", "started": 1.6e9, "ended": 1.6e9,
    "train_rows": 400, "test_rows": 100, "decision": "rejected",
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
def served(service: Canned) -> Canned:
    """A champion, a challenger that was rejected, an earlier champion."""
    service.give("GET", f"/models/{MODEL}", model(*VERSIONS))
    history = {
        "model": MODEL, "champions": REIGNS,
        "decisions": [judged("rejected", 3, 2, -0.02), judged("promoted", 2, 1, 0.03)],
    }  # fmt: skip
    service.give("GET", f"/models/{MODEL}/history", history)
    service.give("GET", f"/models/{MODEL}/candidates", CANDIDATES)
    return service


def words(app: AppTest) -> str:
    """All that the page says."""
    kinds = (app.markdown, app.info, app.warning, app.error, app.success, app.caption)
    return "\n".join(each.value for kind in kinds for each in kind)


def metrics(app: AppTest) -> list[str]:
    return [each.value for each in app.metric]


@pytest.mark.usefixtures("served")
def test_champion_and_challenger_side_by_side_with_the_verdict(opened: Opened) -> None:
    app = opened("models")
    assert metrics(app) == ["2 · tree", "0.92", "3 · forest", "0.9"]
    assert "**Rejected**: version 3 against version 2, on 1,234 rows of 2020-01" in words(app)
    gates = app.table[0].value
    assert [*gates["Passed"]] == ["✓", "✗"]
    assert gates["Measured"][1] == r"gain \[x\]\(y\)"
    table = app.dataframe[-1].value
    assert [*table["Candidate"]] == ["forest", "knn"]
    assert table["May be promoted"][1] == "✗ one row takes 90 ms"
    assert table["One row (ms)"][0] == 2
    assert table["Hyperparameters"][0] == "max_depth 4, rate 0.1235"


@pytest.mark.parametrize(
    ("versions", "history", "said"),
    [
        ((), [], "There is none yet. `servicio-ml train small` makes one."),
        ((version(1, "challenger"),), [], "No version is champion, so nothing answers."),
        ((version(2, "challenger"), version(1, "champion")), [], "Nobody has judged version 2 yet."),
        (
            (version(1, "champion", "challenger"),),
            [judged("promoted", 1, None, None)],
            "The latest challenger, version 1, is the champion.",
        ),
        (
            (version(3, "challenger"), version(2), version(1, "champion")),
            [judged("rejected", 3, 2, -0.02)],
            "The champion has changed since.",
        ),
    ],
)
def test_what_is_not_there_is_said(
    service: Canned, opened: Opened, versions: tuple[Any, ...], history: list[Any], said: str
) -> None:
    service.give("GET", f"/models/{MODEL}", model(*versions))
    told = {"model": MODEL, "champions": [], "decisions": history}
    service.give("GET", f"/models/{MODEL}/history", told)
    app = opened("models")
    assert said in words(app)
    assert "No training has ended well yet." in words(app)


def test_a_champion_that_does_not_answer_is_told(service: Canned, opened: Opened) -> None:
    service.give("GET", f"/models/{MODEL}", model(*VERSIONS, champion=1, problem="golden row 0 differs"))
    service.give("GET", f"/models/{MODEL}/history", {"model": MODEL, "champions": [], "decisions": []})
    assert "The server does not answer with it: golden row 0 differs" in words(opened("models"))


@pytest.mark.parametrize(
    ("status", "said"), [(401, "The server asks for an API key."), (503, "busy or not ready")]
)
def test_refusals_are_explained(service: Canned, opened: Opened, status: int, said: str) -> None:
    service.give("GET", f"/models/{MODEL}", {"title": "no", "detail": "no"}, status)
    assert said in words(opened("models"))


def confirm(app: AppTest, opener: str, reason: str) -> AppTest:
    """Open a dialog, give a reason, confirm."""
    app.button(key=opener).click().run()
    if app.text_area:
        app.text_area(key="models_reason").input(reason)
    app.button(key="models_confirm").click().run()
    assert not app.exception
    return app


@pytest.mark.parametrize(
    ("opener", "number", "warned"), [("models_promote", 3, REFUSED), ("models_rollback", 1, "")]
)
def test_another_champion_after_a_confirmation(
    served: Canned, opened: Opened, opener: str, number: int, warned: str
) -> None:
    left = model(*(version(n, *(["champion"] if n == number else [])) for n in (3, 2, 1)))
    served.give("PUT", f"/models/{MODEL}/champion", left)
    app = opened("models", api_key="boss-key", **ADMINISTRATION)
    app.button(key=opener).click().run()
    said = words(app).replace("\\", "")
    assert f"Version **{number}** of **{MODEL}** becomes champion instead of version **2**." in said
    assert warned in said
    assert served.asked("PUT", f"/models/{MODEL}/champion") == []
    confirm(app, opener, "it is better")
    [call] = served.asked("PUT", f"/models/{MODEL}/champion")
    assert call.body == {"version": number, "reason": "it is better", "instead_of": 2}
    assert call.headers["x-api-key"] == "boss-key"
    assert f"Version {number} of {MODEL} is champion." in words(app)
    assert metrics(app)[0] == f"{number} · tree"


def test_no_reason_moves_nothing(served: Canned, opened: Opened) -> None:
    app = confirm(opened("models", **ADMINISTRATION), "models_promote", "   ")
    assert "Give a reason" in words(app)
    assert served.asked("PUT", f"/models/{MODEL}/champion") == []


@pytest.mark.parametrize(
    ("status", "detail", "said"),
    [
        (403, "key user may not", "This API key may not do that: it needs the scope `admin`"),
        (401, "unknown", "The server does not know this API key."),
        (409, "version 3 is champion, not version 2", "The server refused this."),
        (503, "MLflow at http://x", "The server is busy or not ready."),
    ],
)
def test_what_the_server_refuses_is_explained(
    served: Canned, opened: Opened, status: int, detail: str, said: str
) -> None:
    served.give("PUT", f"/models/{MODEL}/champion", {"title": "no", "detail": detail}, status)
    app = confirm(opened("models", api_key="some-key", **ADMINISTRATION), "models_promote", "it is better")
    assert said in words(app)
    assert detail in [each.value for each in app.code]


def test_reload(served: Canned, opened: Opened) -> None:
    served.give("POST", f"/models/{MODEL}/reload", model(*VERSIONS))
    app = confirm(opened("models", **ADMINISTRATION), "models_reload", "")
    assert f"Version 2 of {MODEL} answers." in words(app)


def test_a_reload_after_which_nothing_answers(served: Canned, opened: Opened) -> None:
    left = {**model(*VERSIONS), "champion": None, "problem": "![x](http://elsewhere/y)"}
    served.give("POST", f"/models/{MODEL}/reload", left)
    app = confirm(opened("models", **ADMINISTRATION), "models_reload", "")
    assert f"No version of {MODEL} answers." in words(app)
    assert verbatim(left["problem"]) in [each.value for each in app.warning]


def test_a_question_about_one_model_is_not_asked_of_another(served: Canned, opened: Opened) -> None:
    asked = ("three", "promote")
    app = opened("models", models_asked=asked, **ADMINISTRATION)
    assert not app.text_area
    app = opened("models", models_asked=(MODEL, "promote"), **ADMINISTRATION)
    assert app.text_area
    assert served.asked("PUT", f"/models/{MODEL}/champion") == []


def test_an_unjudged_challenger_is_warned_of(served: Canned, opened: Opened) -> None:
    served.give("GET", f"/models/{MODEL}/history", {"model": MODEL, "champions": [], "decisions": []})
    app = opened("models", **ADMINISTRATION)
    app.button(key="models_promote").click().run()
    assert "Nobody has judged version 3 yet." in [each.value for each in app.warning]
    assert "No other version has been champion." in words(app)


def test_only_the_chosen_picture_is_fetched(served: Canned, opened: Opened) -> None:
    names = {"model": MODEL, "version": 2, "pictures": ["calibration", "optuna_history", "roc"]}
    base = f"/models/{MODEL}/versions/2"
    served.give("GET", f"{base}/pictures", names)
    served.give("GET", f"{base}/pictures/roc", PNG)
    served.give("GET", f"{base}/card", "# The card\n")
    app = opened("models", **dict.fromkeys(ADMINISTRATION, "Pictures"))
    assert [each.value for each in app.selectbox if each.key == "models_picture"] == ["roc"]
    fetched = {call.path for call in served.calls if "/versions/" in call.path}
    assert fetched == {f"{base}/pictures", f"{base}/pictures/roc"}
    app = opened("models", **dict.fromkeys(ADMINISTRATION, "Card"))
    assert "# The card" in words(app)


def _png() -> bytes:
    made = BytesIO()
    Image.new("RGB", (1, 1)).save(made, "PNG")
    return made.getvalue()


PNG = _png()


def test_reigns_stand_by_number_the_newest_above(served: Canned, opened: Opened) -> None:
    reigns = [{**REIGNS[0], "version": number, "until": None} for number in (10, 9, 2)]
    history = {"model": MODEL, "champions": reigns, "decisions": [judged("promoted", 10, 9, 0.03)]}
    served.give("GET", f"/models/{MODEL}/history", history)
    app = opened("models", **dict.fromkeys(ADMINISTRATION, "History"))
    specs = [json.loads(each.proto.spec) for each in app.get("vega_lite_chart")]
    [spec] = [each for each in specs if "x2" in each["layer"][0]["encoding"]]
    assert spec["layer"][0]["encoding"]["y"]["sort"] == ["10", "9", "2"]


def test_the_history_in_spanish(served: Canned, opened: Opened) -> None:
    del served
    key = "models_Candidatos_Imágenes_Ficha_Historia_Administración"
    app = opened("models", lang="es", **{key: "Historia"})
    [table] = [each.value for each in app.dataframe if "Decisión" in each.value]
    assert [*table["Decisión"]] == ["rechazada", "promovida"]
    assert "**Rechazada**: versión 3 contra versión 2" in words(app)
    assert len(app.table) == 2
