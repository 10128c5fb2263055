"""The page Predict without a browser, over a canned server."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages_app import Call, Canned

pytestmark = pytest.mark.slow

Opened = Callable[..., AppTest]
ID = "01a1fc53-6e9b-7c19-9421-fa434a000000"
FIELDS: list[dict[str, Any]] = [
    {
        "name": "day", "kind": "date", "description": "Day of observation", "unit": "", "minimum": None,
        "maximum": None, "levels": [], "nullable": False, "example": "2020-01-31", "default": "2020-01-31",
    },
    {
        "name": "size", "kind": "number", "description": "Size", "unit": "", "minimum": None, "maximum": None,
        "levels": [], "nullable": True, "example": 1.5, "default": None,
    },
    {
        "name": "weight", "kind": "number", "description": "Weight", "unit": "kg", "minimum": -10,
        "maximum": 10, "levels": [], "nullable": False, "example": 0.25, "default": 0.25,
    },
    {
        "name": "count", "kind": "integer", "description": "Count", "unit": "", "minimum": 0, "maximum": 9,
        "levels": [], "nullable": False, "example": 2, "default": 2.0,
    },
    {
        "name": "colour", "kind": "category", "description": "Colour", "unit": "", "minimum": None,
        "maximum": None, "levels": ["red", "green"], "nullable": True, "example": "green", "default": "green",
    },
]  # fmt: skip
RECORD = {"day": "2020-01-31", "size": None, "weight": 0.25, "count": 2, "colour": "green"}
BINARY: dict[str, Any] = {
    "model": "small", "version": 3, "task": "binary", "labels": ["no", "yes"], "threshold": 0.3,
    "description": "Whether it rains tomorrow", "unit": "", "fields": FIELDS, "places": None,
}  # fmt: skip
MULTICLASS = {**BINARY, "task": "multiclass", "labels": ["low", "middle", "high"], "description": ""}
REGRESSION = {**BINARY, "task": "regression", "labels": [], "description": "Price asked", "unit": "INR"}
PLACED = {**BINARY, "places": {"field": "colour", "points": {"red": [-1, 10], "green": [-2, 20]}}}
ANSWERS: dict[str, dict[str, Any]] = {
    "binary": {"prediction": 1, "label": "yes", "probability": 0.4321},
    "multiclass": {
        "prediction": 2,
        "label": "high",
        "probabilities": {"low": 0.1, "middle": 0.3, "high": 0.6},
    },
    "regression": {"prediction": 409334.2},
}


@pytest.fixture
def model(service: Canned) -> Canned:
    return prepare(service, BINARY)


def prepare(service: Canned, schema: dict[str, Any]) -> Canned:
    """Have the server answer for a model with this schema."""
    task = schema["task"]
    told = {**ANSWERS[task], "model": "small", "version": 3, "prediction_id": ID}
    label = told.get("label")
    weights = {"day": 0.01, "size": 0.0, "weight": -0.2, "count": 0.05, "colour": 0.0}
    why = {
        "model": "small",
        "version": 3,
        "label": label,
        "base": 0.5,
        "score": 0.36,
        "contributions": weights,
    }

    def curve(call: Call) -> tuple[int, Any]:
        name = call.body["field"]
        known: dict[str, list[Any]] = {
            "day": ["2020-01-24", "2020-01-31"], "weight": [-10, 0.25, 10], "colour": ["red", "green"],
        }  # fmt: skip
        values = known[name]
        made = {"field": name, "label": label, "value": call.body["record"][name], "score": 0.4321}
        return 200, {**made, "values": values, "scores": [0.1 * (place + 1) for place in range(len(values))]}

    service.give("GET", "/models/small/schema", schema)
    service.give("POST", "/models/small/predict", told)
    service.give("POST", "/models/small/explain", why)
    service.answers["POST", "/models/small/what-if"] = curve
    return service


def submit(app: AppTest) -> AppTest:
    app.button(key="predict:small").click().run()
    assert not app.exception
    return app


def metrics(app: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in app.metric}


def sent(service: Canned, path: str) -> list[Any]:
    return [call.body for call in service.asked("POST", f"/models/small/{path}")]


def test_the_form_begins_with_usual_values(opened: Opened, model: Canned) -> None:
    submit(opened("predict"))
    assert sent(model, "predict") == [RECORD]


def test_each_kind_of_field_is_filled_and_emptied(opened: Opened, model: Canned) -> None:
    app = opened("predict")
    app.number_input(key="field:small:size").set_value(7.25)
    app.number_input(key="field:small:count").set_value(4)
    app.selectbox(key="field:small:colour").select_index(0)
    submit(app)
    [record] = sent(model, "predict")
    assert record == {**RECORD, "size": 7.25, "count": 4, "colour": None}
    assert isinstance(record["count"], int)


def test_a_number_that_may_be_missing_can_be_emptied(opened: Opened, service: Canned) -> None:
    fields = [{**each, "default": 1.25} if each["name"] == "size" else each for each in FIELDS]
    prepare(service, {**BINARY, "fields": fields})
    app = opened("predict")
    assert app.number_input(key="field:small:size").value == 1.25
    app.number_input(key="field:small:size").set_value(None)
    submit(app)
    assert sent(service, "predict")[0]["size"] is None


@pytest.mark.usefixtures("model")
def test_a_field_says_its_unit_range_and_whether_it_may_be_empty(opened: Opened) -> None:
    app = opened("predict")
    weight = app.number_input(key="field:small:weight")
    assert (weight.label, weight.min, weight.max) == ("Weight (kg)", -10, 10)
    assert weight.help == "`weight`, from -10 to 10"
    assert "may be left empty" in app.number_input(key="field:small:size").help
    assert app.selectbox(key="field:small:colour").options == ["missing", "red", "green"]


@pytest.mark.usefixtures("model")
def test_the_answer_is_shown_with_probability_threshold_version_and_id(opened: Opened) -> None:
    app = submit(opened("predict"))
    found = metrics(app)
    assert found["Whether it rains tomorrow"] == "yes"
    assert found["Probability of yes"] == "43.2 %"
    assert found["Version"] == "3"
    assert any("30.0 %" in caption.value for caption in app.caption)
    assert ID in [code.value for code in app.code]


def test_an_answer_of_several_classes(opened: Opened, service: Canned) -> None:
    prepare(service, MULTICLASS)
    app = submit(opened("predict"))
    assert metrics(app)["Answer"] == "high"
    shown = app.dataframe[0].value
    assert list(shown["Probability"]) == [0.1, 0.3, 0.6]


def test_an_answer_that_is_a_number_has_its_unit(opened: Opened, service: Canned) -> None:
    prepare(service, REGRESSION)
    assert metrics(submit(opened("predict")))["Price asked"] == "409 334 INR"


def test_the_greatest_contributions_come_first(opened: Opened, model: Canned) -> None:
    app = submit(opened("predict"))
    table = app.dataframe[0].value
    assert list(table["Field"])[:2] == ["Weight: 0.25 kg", "Count: 2"]
    assert list(table["Change"])[:2] == ["−20.0", "+5.0"]
    assert sent(model, "explain") == [RECORD]


def test_nothing_is_asked_twice_by_a_rerun(opened: Opened, model: Canned) -> None:
    app = submit(opened("predict"))
    app.run()
    app.switch_page("views/data.py").run()
    app.switch_page("views/predict.py").run()
    assert metrics(app)["Probability of yes"] == "43.2 %"
    assert [len(sent(model, path)) for path in ("predict", "explain", "what-if")] == [1, 1, 1]


def test_refused_values_are_named(opened: Opened, model: Canned) -> None:
    fault = {
        "row": 0,
        "field": "weight",
        "value": 99,
        "allowed": "a number from -10 to 10 kg",
        "reason": "range",
    }
    model.give("POST", "/models/small/predict", {"detail": "…", "errors": [fault]}, 422)
    app = submit(opened("predict"))
    [error] = app.error
    assert "Weight (kg): 99 does not fit" in error.value
    assert "from -10 to 10" in error.value


def test_the_answer_stays_when_the_reasons_fail(opened: Opened, model: Canned) -> None:
    model.give("POST", "/models/small/explain", {"title": "Service Unavailable", "detail": "busy"}, 503)
    app = submit(opened("predict"))
    assert metrics(app)["Probability of yes"] == "43.2 %"
    assert len(app.error) == 1


def test_a_model_that_is_not_ready_is_told(opened: Opened, service: Canned) -> None:
    service.give(
        "GET", "/models/small/schema", {"title": "Service Unavailable", "detail": "no champion"}, 503
    )
    app = opened("predict")
    assert len(app.error) == 1


def test_what_if_begins_with_the_weightiest_field_and_is_read_elsewhere(
    opened: Opened, model: Canned
) -> None:
    app = submit(opened("predict"))
    assert sent(model, "what-if") == [{"record": RECORD, "field": "weight"}]
    app.select_slider[0].set_value(10).run()
    assert metrics(app)["If it were 10 kg"] == "30.0 %"
    assert len(sent(model, "what-if")) == 1
    app.selectbox(key="what_if:small").set_value("colour").run()
    assert sent(model, "what-if")[1]["field"] == "colour"
    assert not app.exception


def test_the_place_of_the_list_is_sent(opened: Opened, service: Canned) -> None:
    prepare(service, PLACED)
    app = opened("predict")
    assert app.selectbox(key="place:small").value == "green"
    app.selectbox(key="place:small").set_value("red").run()
    submit(app)
    assert sent(service, "predict")[0]["colour"] == "red"


def test_feedback_begins_with_the_latest_prediction(opened: Opened, model: Canned) -> None:
    model.give("POST", "/models/small/feedback", {"prediction_id": ID, "status": "accepted", "revision": 1})
    app = submit(opened("predict"))
    assert app.text_input(key="truth_id:small").value == ID
    app.selectbox(key="truth_actual:small").set_value("no")
    app.button(key="tell:small").click().run()
    assert sent(model, "feedback") == [{"prediction_id": ID, "actual": "no"}]
    assert "revision 1" in app.success[0].value
    app.run()
    assert len(sent(model, "feedback")) == 1


@pytest.mark.parametrize(
    ("status", "revision", "words"), [("corrected", 2, "correction"), ("known", 1, "nothing changed")]
)
def test_a_receipt_is_told(status: str, revision: int, words: str, opened: Opened, model: Canned) -> None:
    model.give(
        "POST", "/models/small/feedback", {"prediction_id": ID, "status": status, "revision": revision}
    )
    app = tell(opened("predict"), ID, "yes")
    assert words in app.success[0].value
    assert str(revision) in app.success[0].value


def tell(app: AppTest, prediction_id: str, actual: str | None) -> AppTest:
    app.text_input(key="truth_id:small").set_value(prediction_id)
    if actual is not None:
        app.selectbox(key="truth_actual:small").set_value(actual)
    app.button(key="tell:small").click().run()
    assert not app.exception
    return app


def test_an_unknown_prediction_is_told(opened: Opened, model: Canned) -> None:
    model.give("POST", "/models/small/feedback", {"detail": "prediction 'x' is not in the log"}, 404)
    [error] = tell(opened("predict"), "x", "yes").error
    assert "No prediction of this use case has the id `x`" in error.value


@pytest.mark.parametrize(("given", "actual"), [(" ", "yes"), (ID, None)], ids=["no id", "no truth"])
def test_feedback_that_lacks_something_is_not_sent(
    given: str, actual: str | None, opened: Opened, model: Canned
) -> None:
    assert len(tell(opened("predict"), given, actual).error) == 1
    assert sent(model, "feedback") == []


def batch(call: Call) -> tuple[int, Any]:
    """As the server answers: all rows, or none and what is wrong with them."""
    records = call.body["records"]
    faults = [
        {"row": row, "field": "weight", "value": each["weight"], "allowed": "…", "reason": "range"}
        for row, each in enumerate(records)
        if not isinstance(each["weight"], float) or each["weight"] > 10
    ]
    if faults:
        return 422, {"detail": "…", "errors": faults}
    answers = [{**ANSWERS["binary"], "prediction_id": f"id-{each['weight']}"} for each in records]
    return 200, {"model": "small", "version": 3, "predictions": answers}


CSV = b"day,weight,count,note\n2020-01-31,1,2,a\n2020-01-31,99,2,b\n2020-01-31,heavy,2,c\n2020-01-31,2,2,d\n"


def test_a_file_is_scored_but_for_its_bad_rows(opened: Opened, model: Canned) -> None:
    model.answers["POST", "/models/small/predict/batch"] = batch
    app = opened("predict")
    app.file_uploader(key="file:small").set_value(("rows.csv", CSV, "text/csv")).run()
    assert "`note`" in app.warning[0].value
    assert "`size`, `colour`" in app.info[0].value
    assert sent(model, "predict/batch") == [], "a file is scored when the reader says so"
    app.button(key="score:small").click().run()
    assert not app.exception
    assert (metrics(app)["Rows answered"], metrics(app)["Rows refused"]) == ("2", "2")
    refused, answers = (each.value for each in app.dataframe)
    assert list(refused["Line"]) == [3, 4]
    assert list(refused["Value"]) == ["99.0", "heavy"]
    assert set(refused["What is allowed"]) == {"weight, from -10 to 10"}
    assert list(answers["note"]) == ["a", "d"]
    assert list(answers["prediction_id"]) == ["id-1.0", "id-2.0"]
    asked = len(sent(model, "predict/batch"))
    app.run()
    assert len(sent(model, "predict/batch")) == asked, "a rerun scores nothing"


def test_the_rest_of_a_file_is_scored_after_a_failure(opened: Opened, model: Canned) -> None:
    model.give("POST", "/models/small/predict/batch", {"detail": "too many requests in hand"}, 503)
    app = opened("predict")
    app.file_uploader(key="file:small").set_value(("rows.csv", CSV, "text/csv")).run()
    app.button(key="score:small").click().run()
    assert any("too many requests in hand" in each.value for each in app.warning)
    model.answers["POST", "/models/small/predict/batch"] = batch
    app.button(key="rest:small").click().run()
    assert metrics(app)["Rows answered"] == "2"


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"day,weight,count\n", "no rows"),
        (b"day,count\n2020-01-31,1\n", "`weight`"),
        (b"day,weight,count,day\n1,2,3,4\n", "twice"),
    ],
    ids=["empty", "no rows", "lacking", "twice"],
)
def test_a_file_that_is_no_table_is_told(raw: bytes, words: str, opened: Opened) -> None:
    app = opened("predict")
    app.file_uploader(key="file:small").set_value(("rows.csv", raw, "text/csv")).run()
    [error] = app.error
    assert words in error.value


@pytest.mark.usefixtures("model")
def test_spanish_says_fields_levels_and_answers(opened: Opened) -> None:
    app = submit(opened("predict", lang="es"))
    assert app.title[0].value == "Predecir"
    assert app.date_input[0].label == "Día de la observación"
    assert metrics(app)["Si llueve mañana"] == "sí"
    assert "Probabilidad de sí" in metrics(app)
