"""The page Predict without a browser, over a fake server."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages_app import FakeServer, RecordedCall

pytestmark = pytest.mark.slow

OpenPage = Callable[..., AppTest]
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
TYPED = {"day": "2021-02-03", "size": 7.25, "weight": -3.5, "count": 4, "colour": "red"}
BINARY: dict[str, Any] = {
    "model": "small", "version": 3, "task": "binary", "labels": ["no", "yes"], "threshold": 0.3,
    "description": "Rain tomorrow", "unit": "", "fields": FIELDS, "places": None,
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
def model(service: FakeServer) -> FakeServer:
    return prepare_server(service, BINARY)


def prepare_server(service: FakeServer, schema: dict[str, Any]) -> FakeServer:
    """Have the server answer for a model with this schema."""
    task = schema["task"]
    result = {**ANSWERS[task], "model": "small", "version": 3, "prediction_id": ID}
    label = result.get("label")
    weights = {"day": 0.01, "size": 0.0, "weight": -0.2, "count": 0.05, "colour": 0.0}
    why = {
        "model": "small",
        "version": 3,
        "label": label,
        "base": 0.5,
        "score": 0.36,
        "contributions": weights,
    }

    def build_curve(call: RecordedCall) -> tuple[int, Any]:
        name = call.body["field"]
        known: dict[str, list[Any]] = {
            "day": ["2020-01-24", "2020-01-31"], "weight": [-10, 0.25, 10], "colour": ["red", "green"],
        }  # fmt: skip
        values = known[name]
        made = {"field": name, "label": label, "value": call.body["record"][name], "score": 0.4321}
        return 200, {**made, "values": values, "scores": [0.1 * (place + 1) for place in range(len(values))]}

    service.set_response("GET", "/models/small/schema", schema)
    service.set_response("POST", "/models/small/predict", result)
    service.set_response("POST", "/models/small/explain", why)
    service.responses["POST", "/models/small/what-if"] = build_curve
    return service


def submit(app: AppTest) -> AppTest:
    app.button(key="predict:small").click().run()
    assert not app.exception
    return app


def read_metrics(app: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in app.metric}


def find_bodies(service: FakeServer, path: str) -> list[Any]:
    return [call.body for call in service.find_calls("POST", f"/models/small/{path}")]


def test_the_form_begins_with_default_values(open_page: OpenPage, model: FakeServer) -> None:
    submit(open_page("predict"))
    assert find_bodies(model, "predict") == [RECORD]


def test_each_kind_of_field_is_filled_and_emptied(open_page: OpenPage, model: FakeServer) -> None:
    app = open_page("predict")
    app.number_input(key="field:small:size").set_value(7.25)
    app.number_input(key="field:small:count").set_value(4)
    app.selectbox(key="field:small:colour").select_index(0)
    submit(app)
    [record] = find_bodies(model, "predict")
    assert record == {**RECORD, "size": 7.25, "count": 4, "colour": None}
    assert isinstance(record["count"], int)


def test_a_number_that_may_be_missing_can_be_emptied(open_page: OpenPage, service: FakeServer) -> None:
    fields = [{**each, "default": 1.25} if each["name"] == "size" else each for each in FIELDS]
    prepare_server(service, {**BINARY, "fields": fields})
    app = open_page("predict")
    assert app.number_input(key="field:small:size").value == 1.25
    app.number_input(key="field:small:size").set_value(None)
    submit(app)
    assert find_bodies(service, "predict")[0]["size"] is None


def test_what_was_typed_is_there_when_the_reader_comes_back(open_page: OpenPage, model: FakeServer) -> None:
    model.set_response("GET", "/models/three/schema", {**BINARY, "model": "three"})
    app = open_page("predict")
    fill_form(app)
    app.switch_page("data/page.py").run()
    app.switch_page("predict/page.py").run()
    # each model has a form of its own
    app.selectbox(key="use_case").select("three").run()
    assert app.number_input(key="field:three:count").value == 2
    app.selectbox(key="use_case").select("small").run()
    submit(app)
    assert find_bodies(model, "predict") == [TYPED]


def test_what_was_typed_stays_in_another_language(open_page: OpenPage, model: FakeServer) -> None:
    app = open_page("predict")
    fill_form(app)
    app.segmented_control[0].set_value("es").run()
    assert app.date_input(key="field:small:day").label == "Día de la observación"
    submit(app)
    assert find_bodies(model, "predict") == [TYPED]


def test_a_typed_value_that_the_next_champion_refuses_gives_way_to_the_default(
    open_page: OpenPage, service: FakeServer
) -> None:
    prepare_server(service, BINARY)
    app = open_page("predict")
    fill_form(app)
    app.switch_page("data/page.py").run()
    narrow: dict[str, Any] = {"weight": {"minimum": 0}, "colour": {"levels": ["green", "blue"]}}
    fields = [{**each, **narrow.get(each["name"], {})} for each in FIELDS]
    prepare_server(service, {**BINARY, "fields": fields})
    st.cache_data.clear()
    app.switch_page("predict/page.py").run()
    submit(app)
    assert find_bodies(service, "predict") == [{**TYPED, "weight": 0.25, "colour": "green"}]


def test_a_date_time_has_a_widget_of_minutes(service: FakeServer, open_page: OpenPage) -> None:
    moment = {**FIELDS[0], "name": "seen", "kind": "datetime", "default": "2020-01-31T12:30:00"}
    prepare_server(service, {**BINARY, "fields": [*FIELDS, moment]})
    app = open_page("predict")
    submit(app)
    widget = app.datetime_input(key="field:small:seen")
    widget.set_value(datetime(2021, 2, 3, 4, 5))  # noqa: DTZ001  the widget has no zone
    submit(app)
    assert [body["seen"] for body in find_bodies(service, "predict")] == [
        "2020-01-31T12:30:00",
        "2021-02-03T04:05:00",
    ]


def fill_form(app: AppTest) -> None:
    app.date_input(key="field:small:day").set_value(date(2021, 2, 3))
    app.number_input(key="field:small:size").set_value(7.25)
    app.number_input(key="field:small:weight").set_value(-3.5)
    app.number_input(key="field:small:count").set_value(4)
    app.selectbox(key="field:small:colour").set_value("red")
    app.run()
    assert not app.exception


@pytest.mark.usefixtures("model")
def test_a_field_says_its_unit_range_and_whether_it_may_be_empty(open_page: OpenPage) -> None:
    app = open_page("predict")
    weight = app.number_input(key="field:small:weight")
    assert (weight.label, weight.min, weight.max) == ("Weight (kg)", -10, 10)
    assert weight.help == "`weight`, from -10 to 10 kg"
    assert "optional" in app.number_input(key="field:small:size").help
    assert app.selectbox(key="field:small:colour").options == ["missing", "red", "green"]


@pytest.mark.usefixtures("model")
def test_the_answer_is_shown_with_probability_threshold_version_and_id(open_page: OpenPage) -> None:
    app = submit(open_page("predict"))
    found = read_metrics(app)
    assert found["Rain tomorrow"] == "yes"
    assert found["Probability of yes"] == "43.2 %"
    assert found["Version"] == "3"
    assert any("30.0 %" in caption.value for caption in app.caption)
    assert ID in [code.value for code in app.code]


def test_an_answer_of_several_classes(open_page: OpenPage, service: FakeServer) -> None:
    prepare_server(service, MULTICLASS)
    app = submit(open_page("predict"))
    assert read_metrics(app)["Prediction"] == "high"
    shown = app.dataframe[0].value
    assert list(shown["Probability"]) == [0.1, 0.3, 0.6]


def test_an_answer_that_is_a_number_has_its_unit(open_page: OpenPage, service: FakeServer) -> None:
    prepare_server(service, REGRESSION)
    assert read_metrics(submit(open_page("predict")))["Price asked"] == "409 334 INR"


UNCERTAIN: dict[str, tuple[dict[str, Any], str]] = {
    "regression": (
        {"lower": 350_000.0, "upper": 470_000.0},
        "In 90 of 100 such cases, the true value lies between 350 000 INR and 470 000 INR.",
    ),
    "binary": (
        {"label_set": ["no", "yes"], "probability_lower": 0.41, "probability_upper": 0.45},
        (
            "In 90 of 100 such cases, the truth is one of: no, yes. "
            "The probability is known to lie between 41.0 % and 45.0 %."
        ),
    ),
    "multiclass": (
        {"label_set": ["middle", "high"]}, "In 90 of 100 such cases, the truth is one of: middle, high."
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "schema", [BINARY, MULTICLASS, REGRESSION], ids=["binary", "multiclass", "regression"]
)
def test_the_answer_says_how_sure_it_is(
    open_page: OpenPage, service: FakeServer, schema: dict[str, Any]
) -> None:
    prepare_server(service, {**schema, "max_interval": 0.99})
    columns, text = UNCERTAIN[schema["task"]]
    result = {**ANSWERS[schema["task"]], **columns, "interval": 0.9}
    service.set_response(
        "POST", "/models/small/predict", {**result, "model": "small", "version": 3, "prediction_id": ID}
    )
    app = submit(open_page("predict"))
    assert text in [caption.value for caption in app.caption]
    [call] = service.find_calls("POST", "/models/small/predict")
    assert call.query == {"interval": "0.9"}


def test_an_empty_set_of_labels_is_explained(open_page: OpenPage, service: FakeServer) -> None:
    prepare_server(service, {**MULTICLASS, "max_interval": 0.99})
    result = {**ANSWERS["multiclass"], "label_set": [], "interval": 0.9}
    service.set_response(
        "POST", "/models/small/predict", {**result, "model": "small", "version": 3, "prediction_id": ID}
    )
    app = submit(open_page("predict"))
    [text] = [each.value for each in app.caption if "The set of labels is empty" in each.value]
    assert text.startswith("Such predictions are right in more than 90 of 100 cases.")


def test_a_model_without_intervals_is_not_asked_for_one(open_page: OpenPage, model: FakeServer) -> None:
    app = submit(open_page("predict"))
    [call] = model.find_calls("POST", "/models/small/predict")
    assert call.query == {}
    assert not any("such cases" in caption.value for caption in app.caption)


def test_the_largest_contributions_come_first(open_page: OpenPage, model: FakeServer) -> None:
    app = submit(open_page("predict"))
    table = app.dataframe[0].value
    assert list(table["Field"])[:2] == ["Weight: 0.25 kg", "Count: 2"]
    assert list(table["Change"])[:2] == ["−20.0", "+5.0"]
    assert find_bodies(model, "explain") == [RECORD]


def test_a_rerun_sends_no_request_twice(open_page: OpenPage, model: FakeServer) -> None:
    app = submit(open_page("predict"))
    app.run()
    app.switch_page("data/page.py").run()
    app.switch_page("predict/page.py").run()
    assert read_metrics(app)["Probability of yes"] == "43.2 %"
    assert [len(find_bodies(model, path)) for path in ("predict", "explain", "what-if")] == [1, 1, 1]


def test_refused_values_are_named(open_page: OpenPage, model: FakeServer) -> None:
    fault = {
        "row": 0,
        "field": "weight",
        "value": 99,
        "allowed": "a number from -10 to 10 kg",
        "reason": "range",
    }
    model.set_response("POST", "/models/small/predict", {"detail": "…", "errors": [fault]}, 422)
    app = submit(open_page("predict"))
    [error] = app.error
    assert "Weight (kg): 99 is not valid" in error.value
    assert "from -10 to 10 kg" in error.value


def test_the_prediction_stays_when_the_explanation_fails(open_page: OpenPage, model: FakeServer) -> None:
    model.set_response(
        "POST", "/models/small/explain", {"title": "Service Unavailable", "detail": "busy"}, 503
    )
    app = submit(open_page("predict"))
    assert read_metrics(app)["Probability of yes"] == "43.2 %"
    assert len(app.error) == 1


def test_a_model_that_is_not_ready_is_reported(open_page: OpenPage, service: FakeServer) -> None:
    service.set_response(
        "GET", "/models/small/schema", {"title": "Service Unavailable", "detail": "no champion"}, 503
    )
    app = open_page("predict")
    assert len(app.error) == 1
    # another process of the server answers, or this one has loaded the champion
    service.set_response("GET", "/models/small/schema", BINARY)
    app.run()
    assert not app.error
    assert app.button


def test_what_if_begins_with_the_largest_contribution(open_page: OpenPage, model: FakeServer) -> None:
    app = submit(open_page("predict"))
    assert find_bodies(model, "what-if") == [{"record": RECORD, "field": "weight"}]
    app.select_slider[0].set_value(10).run()
    assert read_metrics(app)["Other value: 10 kg"] == "30.0 %"
    assert len(find_bodies(model, "what-if")) == 1
    app.selectbox(key="what_if:small").set_value("colour").run()
    assert find_bodies(model, "what-if")[1]["field"] == "colour"
    assert not app.exception


def test_the_location_of_the_list_is_sent(open_page: OpenPage, service: FakeServer) -> None:
    prepare_server(service, PLACED)
    app = open_page("predict")
    assert app.selectbox(key="location:small").value == "green"
    app.selectbox(key="location:small").set_value("red").run()
    app.switch_page("data/page.py").run()
    app.switch_page("predict/page.py").run()
    submit(app)
    assert find_bodies(service, "predict")[0]["colour"] == "red"


def test_feedback_begins_with_the_latest_prediction(open_page: OpenPage, model: FakeServer) -> None:
    model.set_response(
        "POST", "/models/small/feedback", {"prediction_id": ID, "status": "accepted", "revision": 1}
    )
    app = submit(open_page("predict"))
    assert app.text_input(key="feedback_id:small").value == ID
    app.selectbox(key="feedback_actual:small").set_value("no")
    app.button(key="feedback_send:small").click().run()
    assert find_bodies(model, "feedback") == [{"prediction_id": ID, "actual": "no"}]
    assert "revision 1" in app.success[0].value
    app.run()
    assert len(find_bodies(model, "feedback")) == 1


@pytest.mark.parametrize(
    ("status", "revision", "words"), [("corrected", 2, "correction"), ("known", 1, "Nothing changed")]
)
def test_a_receipt_is_reported(
    status: str, revision: int, words: str, open_page: OpenPage, model: FakeServer
) -> None:
    model.set_response(
        "POST", "/models/small/feedback", {"prediction_id": ID, "status": status, "revision": revision}
    )
    app = send_feedback(open_page("predict"), ID, "yes")
    assert words in app.success[0].value
    assert str(revision) in app.success[0].value


def send_feedback(app: AppTest, prediction_id: str, actual: str | None) -> AppTest:
    app.text_input(key="feedback_id:small").set_value(prediction_id)
    if actual is not None:
        app.selectbox(key="feedback_actual:small").set_value(actual)
    app.button(key="feedback_send:small").click().run()
    assert not app.exception
    return app


def test_an_unknown_prediction_is_reported(open_page: OpenPage, model: FakeServer) -> None:
    model.set_response("POST", "/models/small/feedback", {"detail": "prediction 'x' is not in the log"}, 404)
    [error] = send_feedback(open_page("predict"), "x", "yes").error
    assert "No prediction of this use case has the id `x`" in error.value


@pytest.mark.parametrize(("given", "actual"), [(" ", "yes"), (ID, None)], ids=["no id", "no truth"])
def test_feedback_that_lacks_something_is_not_sent(
    given: str, actual: str | None, open_page: OpenPage, model: FakeServer
) -> None:
    assert len(send_feedback(open_page("predict"), given, actual).error) == 1
    assert find_bodies(model, "feedback") == []


def answer_batch(call: RecordedCall) -> tuple[int, Any]:
    """Answer as the server does: predict the rows, and name the invalid values of the others."""
    records = call.body["records"]
    faults = [
        {"row": row, "field": "weight", "value": each["weight"], "allowed": "…", "reason": "range"}
        for row, each in enumerate(records)
        if not isinstance(each["weight"], float) or each["weight"] > 10
    ]
    refused = {fault["row"] for fault in faults}
    empty = dict.fromkeys([*ANSWERS["binary"], "prediction_id"])
    answers = [
        {**empty, "error": "…"}
        if row in refused
        else {**ANSWERS["binary"], "prediction_id": f"id-{each['weight']}", "error": None}
        for row, each in enumerate(records)
    ]
    return 200, {
        "model": "small", "version": 3, "predictions": answers, "refused": len(refused), "errors": faults,
    }  # fmt: skip


CSV = b"day,weight,count,note\n2020-01-31,1,2,a\n2020-01-31,99,2,b\n2020-01-31,heavy,2,c\n2020-01-31,2,2,d\n"


def test_a_file_is_scored_but_for_its_bad_rows(open_page: OpenPage, model: FakeServer) -> None:
    model.responses["POST", "/models/small/predict/batch"] = answer_batch
    app = open_page("predict")
    app.file_uploader(key="file:small").set_value(("rows.csv", CSV, "text/csv")).run()
    assert "`note`" in app.warning[0].value
    assert "`size`, `colour`" in app.info[0].value
    assert find_bodies(model, "predict/batch") == [], "a file is scored when the reader says so"
    app.button(key="score:small").click().run()
    assert not app.exception
    assert (read_metrics(app)["Rows scored"], read_metrics(app)["Rows refused"]) == ("2", "2")
    refused, answers = (each.value for each in app.dataframe)
    assert list(refused["Line"]) == [3, 4]
    assert list(refused["Value"]) == ["99.0", "heavy"]
    assert set(refused["Allowed"]) == {"weight, from -10 to 10 kg"}
    assert list(answers["note"]) == ["a", "d"]
    assert list(answers["prediction_id"]) == ["id-1.0", "id-2.0"]
    [call] = model.find_calls("POST", "/models/small/predict/batch")
    assert call.query == {"on_error": "partial"}
    app.run()
    assert len(find_bodies(model, "predict/batch")) == 1, "a rerun scores nothing"


def test_the_rest_of_a_file_is_scored_after_a_failure(open_page: OpenPage, model: FakeServer) -> None:
    model.set_response("POST", "/models/small/predict/batch", {"detail": "too many requests in flight"}, 503)
    app = open_page("predict")
    app.file_uploader(key="file:small").set_value(("rows.csv", CSV, "text/csv")).run()
    app.button(key="score:small").click().run()
    assert any("too many requests in flight" in each.value for each in app.warning)
    model.responses["POST", "/models/small/predict/batch"] = answer_batch
    app.button(key="remaining:small").click().run()
    assert read_metrics(app)["Rows scored"] == "2"


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
def test_an_invalid_file_is_reported(raw: bytes, words: str, open_page: OpenPage) -> None:
    app = open_page("predict")
    app.file_uploader(key="file:small").set_value(("rows.csv", raw, "text/csv")).run()
    [error] = app.error
    assert words in error.value


@pytest.mark.usefixtures("model")
def test_fields_levels_and_predictions_are_translated(open_page: OpenPage) -> None:
    app = submit(open_page("predict", lang="es"))
    assert app.title[0].value == "Predecir"
    assert app.date_input[0].label == "Día de la observación"
    assert read_metrics(app)["Lluvia mañana"] == "sí"
    assert "Probabilidad de sí" in read_metrics(app)


def test_a_boolean_is_chosen_as_yes_or_no() -> None:
    def draw() -> None:
        import streamlit  # noqa: PLC0415  the function is a script of its own

        from streamlit_app.client.predict import FieldInfo  # noqa: PLC0415
        from streamlit_app.predict.form import draw_widget  # noqa: PLC0415

        field = FieldInfo(
            name="flag", kind="boolean", description="Flag", unit="", minimum=None, maximum=None,
            levels=["false", "true"], nullable=False, default=True,
        )  # fmt: skip
        streamlit.json([draw_widget("small", field)])

    page = AppTest.from_function(draw).run()
    assert (page.selectbox[0].options, page.json[0].value) == (["no", "yes"], "[true]")
    assert page.selectbox[0].select(False).run().json[0].value == "[false]"  # noqa: FBT003  an option
