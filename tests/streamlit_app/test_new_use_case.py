"""The page New use case without a browser."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages_app import FakeServer, RecordedCall
from streamlit_app.client.use_cases import DraftedUseCase
from streamlit_app.new_use_case.table import build_table, merge_corrections, read_corrections
from streamlit_app.translation import escape_markdown

OpenPage = Callable[..., AppTest]
PAGE = "new_use_case"
COLUMNS: list[dict[str, Any]] = [
    {
        "column": "Rooms", "name": "rooms", "kind": "integer", "minimum": 1, "maximum": 9, "levels": [],
        "reason": "whole numbers, 1 to 6 in the file",
    },
    {
        "column": "Part", "name": "part", "kind": "category", "minimum": None, "maximum": None,
        "levels": ["north", "south"], "reason": "2 levels (north, south)",
    },
    {
        "column": "Id", "name": "", "kind": "left out", "minimum": None, "maximum": None, "levels": [],
        "reason": "an identifier by its name",
    },
]  # fmt: skip
DRAFT: dict[str, Any] = {
    "task": "binary",
    "target": {
        "column": "Let", "labels": ["no", "yes"], "minimum": None, "maximum": None,
        "reason": "'yes' is the positive class, 41.8% of the rows",
    },
    "columns": COLUMNS,
    "questions": [
        {"answer": "positive", "text": "class", "choices": ["no", "yes"], "guess": "yes"},
    ],
    "reasons": {"split": "by date (day); as asked"},
    "source": "USE_CASE = UseCase(...)",
}  # fmt: skip
CHECK = {"rows": 1234, "quarantine": ["Rooms: 2 rows, line 7"]}
ANSWER = {"use_case": "flat_rent", "draft": DRAFT, "check": CHECK}
MODEL_STATE: dict[str, Any] = {
    "model": "flat_rent", "task": None, "champion": None, "challenger": None,
    "runtime": None, "row_seconds": None,
    "loaded": None, "checked": 1.0,
    "problem": "", "traffic": {"shadow": 0.0, "canary": 0.0}, "versions": [],
}  # fmt: skip
RUN, TRAINING = "/use-cases/flat_rent/run", "/use-cases/flat_rent/training"


def read_changes(column: int, **changes: Any) -> dict[str, Any]:
    """Read the corrections of a table in which a reader has changed a row."""
    draft = DraftedUseCase.model_validate(DRAFT)
    table = build_table(draft)
    for name, value in changes.items():
        table.at[column, name] = value
    return read_corrections(draft, table)


@pytest.mark.parametrize(
    ("column", "changes", "corrections"),
    [
        (0, {}, {}),
        (0, {"minimum": 0.0, "maximum": 20.0}, {"Rooms": {"minimum": 0.0, "maximum": 20.0}}),
        (0, {"kind": "category"}, {"Rooms": {"kind": "category"}}),
        (0, {"kind": "left out"}, {"Rooms": {"kind": "left out"}}),
        (0, {"maximum": None}, {}),
        (1, {"levels": ["south", " north|west "]}, {"Part": {"levels": ["south", "north|west"]}}),
        (1, {"levels": []}, {}),
        (1, {"levels": None}, {}),
        # the server says that a category has no range
        (1, {"minimum": 3.0}, {"Part": {"minimum": 3.0}}),
        (2, {"kind": "number", "minimum": 3.0}, {"Id": {"kind": "number", "minimum": 3.0}}),
    ],
)
def test_an_edit_of_the_table_is_a_correction(
    column: int, changes: dict[str, Any], corrections: dict[str, Any]
) -> None:
    assert read_changes(column, **changes) == corrections


@pytest.mark.parametrize(
    ("before", "changes", "merged"),
    [
        ({"maximum": 9}, {"minimum": 1}, {"maximum": 9, "minimum": 1}),
        ({"maximum": 9}, {"maximum": 8}, {"maximum": 8}),
        ({"maximum": 9}, {"kind": "category"}, {"kind": "category"}),
        (
            {"kind": "category", "levels": ["1"]},
            {"levels": ["1", "2"]},
            {"kind": "category", "levels": ["1", "2"]},
        ),
        ({"kind": "category", "levels": ["1"]}, {"kind": "number"}, {"kind": "number"}),
    ],
)
def test_corrections_add_up_until_the_kind_changes(
    before: dict[str, Any], changes: dict[str, Any], merged: dict[str, Any]
) -> None:
    assert merge_corrections({"Rooms": before}, {"Rooms": changes}) == {"Rooms": merged}


@pytest.fixture
def drafting(service: FakeServer) -> FakeServer:
    service.set_response("GET", "/raw-files", {"files": ["rent.csv"], "max_bytes": 1 << 25})
    columns = {"file": "rent.csv", "columns": ["Rooms", "Let", "Part"], "target": "Part"}
    service.set_response("GET", "/raw-files/rent.csv/columns", columns)
    service.set_response("POST", "/use-cases/flat_rent/draft", ANSWER)
    service.set_response("PUT", "/use-cases/flat_rent", {"use_case": "flat_rent", "written": True})
    service.set_response("GET", TRAINING, {"use_case": "flat_rent", "state": "none", "lines": []})
    return service


def request_draft(app: AppTest) -> AppTest:
    app.text_input(key="new_use_case_name").set_value("flat_rent")
    target = app.selectbox(key="new_use_case_target:rent.csv")
    assert (target.options, target.value) == (["Rooms", "Let", "Part"], "Part")
    target.set_value("Let")
    app.button[0].click().run()
    assert not app.exception, app.exception
    return app


def list_texts(app: AppTest) -> list[str]:
    kinds = (
        app.title,
        app.subheader,
        app.markdown,
        app.caption,
        app.warning,
        app.info,
        app.success,
        app.error,
    )
    return [str(each.value) for kind in kinds for each in kind]


@pytest.mark.slow
def test_a_draft_is_shown_saved_and_trained(drafting: FakeServer, open_page: OpenPage) -> None:
    app = request_draft(open_page(PAGE))
    (asked,) = drafting.find_calls("POST", "/use-cases/flat_rent/draft")
    assert asked.body == {"file": "rent.csv", "answers": {"target": "Let"}}
    (table,) = app.dataframe
    assert table.value["column"].to_list() == ["Rooms", "Part", "Id"]
    assert table.value["reason"].to_list() == [each["reason"] for each in COLUMNS]
    texts = list_texts(app)
    assert any(escape_markdown("Rooms: 2 rows, line 7") in text for text in texts)
    assert f"**Training and test rows:** {escape_markdown('by date (day); as asked')}" in texts
    app.selectbox(key="positive:NewUseCase(name='flat_rent', file='rent.csv')").set_value("no").run()
    app.button(key="new_use_case_save").click().run()
    (saved,) = drafting.find_calls("PUT", "/use-cases/flat_rent")
    answers = {"target": "Let", "positive": "no"}
    assert saved.body == {"file": "rent.csv", "answers": answers, "replace": False}
    running = {"use_case": "flat_rent", "state": "running", "lines": ["step: etl"]}
    drafting.set_response("POST", RUN, running, 202)
    drafting.set_response("GET", TRAINING, running)
    app.button(key="new_use_case_train").click().run()
    assert [call.body for call in drafting.find_calls("POST", RUN)] == [{"file": "rent.csv"}]
    # the server reads the file for its columns once
    assert len(drafting.find_calls("GET", "/raw-files/rent.csv/columns")) == 1
    assert "step: etl" in [each.value for each in app.code]
    assert "The run goes on." in list_texts(app)


@pytest.mark.slow
def test_the_range_of_a_number_is_corrected(drafting: FakeServer, open_page: OpenPage) -> None:
    target = {
        "column": "Rent", "labels": [], "minimum": 0, "maximum": 4000,
        "reason": "numbers, 90 to 3000 in the file",
    }  # fmt: skip
    number = {**DRAFT, "task": "regression", "target": target, "questions": []}
    drafting.set_response("POST", "/use-cases/flat_rent/draft", {**ANSWER, "draft": number})
    app = request_draft(open_page(PAGE))
    minimum, maximum = app.number_input
    assert (minimum.label, minimum.value) == ("Minimum of the target", 0)
    assert (maximum.label, maximum.value) == ("Maximum of the target", 4000)
    again = next(each for each in app.button if each.label == "Draft again with these corrections")
    assert again.disabled
    maximum.set_value(5000.5).run()
    app.number_input[0].set_value(None).run()
    next(each for each in app.button if each.label == "Draft again with these corrections").click().run()
    _, asked = drafting.find_calls("POST", "/use-cases/flat_rent/draft")
    answers = {"target": "Let", "columns": {"Rent": {"maximum": 5000.5}}}
    assert asked.body == {"file": "rent.csv", "answers": answers}


@pytest.mark.slow
def test_classes_have_no_range(drafting: FakeServer, open_page: OpenPage) -> None:  # noqa: ARG001  the server
    assert not request_draft(open_page(PAGE)).number_input


@pytest.mark.slow
def test_reasons_are_in_the_language_of_the_reader(drafting: FakeServer, open_page: OpenPage) -> None:  # noqa: ARG001  the server
    app = request_draft(open_page(PAGE, lang="es"))
    (table,) = app.dataframe
    assert table.value["reason"].to_list()[0] == "números enteros, de 1 a 6 en el archivo"
    target = escape_markdown("'yes' es la clase positiva, el 41.8% de las filas")
    assert f"El objetivo es **Let**, dos clases: {target}." in list_texts(app)


@pytest.mark.slow
def test_after_the_run_its_page_predict_opens(drafting: FakeServer, open_page: OpenPage) -> None:
    app = request_draft(open_page(PAGE))
    app.button(key="new_use_case_save").click().run()
    drafting.set_response(
        "GET", TRAINING, {"use_case": "flat_rent", "state": "finished", "lines": ["finished"]}
    )
    app.run()
    assert any("no model of flat_rent yet" in text for text in list_texts(app))
    models = ["small", "flat_rent"]
    drafting.set_response("GET", "/", {"models": models, "titles": {}, "default_model": "small"})
    # its candidates are registered, and the champion is not loaded yet
    drafting.set_response("GET", "/models/flat_rent", MODEL_STATE)
    app.run()
    assert any("no model of flat_rent yet" in text for text in list_texts(app))
    # nobody asks for what a model without champion refuses: refusals count as failed requests
    assert not drafting.find_calls("GET", "/models/flat_rent/schema")
    drafting.set_response("GET", "/models/flat_rent", {**MODEL_STATE, "champion": 1, "loaded": 1.0})
    app.run()
    app.button(key="new_use_case_open").click().run()
    assert app.session_state["use_case"] == "flat_rent"
    assert "Predict" in list_texts(app)[0]


@pytest.mark.slow
def test_a_failed_run_and_a_refusal_say_why(drafting: FakeServer, open_page: OpenPage) -> None:
    drafting.set_response(
        "POST", "/use-cases/flat_rent/draft", {"title": "x", "detail": "rent.csv: 3 rows"}, 422
    )
    app = request_draft(open_page(PAGE))
    assert "rent.csv: 3 rows" in [each.value for each in app.code]
    assert not app.dataframe


@pytest.mark.slow
def test_a_file_that_cannot_be_read_says_why(drafting: FakeServer, open_page: OpenPage) -> None:
    problem = "rent.csv: it has 3 rows, at least 100 are needed"
    drafting.set_response("GET", "/raw-files/rent.csv/columns", {"title": "x", "detail": problem}, 422)
    app = open_page(PAGE)
    assert problem in [each.value for each in app.code]
    # another file can be chosen
    assert {each.key for each in app.selectbox} == {"new_use_case_file", "use_case"}


@pytest.mark.slow
def test_the_page_works_on_a_server_without_models(drafting: FakeServer, open_page: OpenPage) -> None:
    drafting.set_response("GET", "/", {"models": [], "titles": {}, "default_model": "small"})
    assert "New use case" in list_texts(open_page(PAGE))


@pytest.mark.slow
def test_where_no_folder_is_set_the_page_says_so(drafting: FakeServer, open_page: OpenPage) -> None:
    problem = "no folder of use cases is set; name one in SERVICIO_ML_USE_CASES_DIR"
    drafting.set_response("GET", "/raw-files", {"title": "Conflict", "detail": problem}, 409)
    assert problem in [each.value for each in open_page(PAGE, lang="es").code]


@pytest.mark.slow
def test_an_upload_is_sent_once_and_chosen(drafting: FakeServer, open_page: OpenPage) -> None:
    files = ["rent.csv"]

    def save(call: RecordedCall) -> tuple[int, Any]:
        files.append(call.path.rpartition("/")[2])
        drafting.set_response("GET", "/raw-files", {"files": files, "max_bytes": 1 << 25})
        columns = {"file": files[-1], "columns": ["a", "b"], "target": "b"}
        drafting.set_response("GET", f"/raw-files/{files[-1]}/columns", columns)
        return 200, {"file": files[-1], "bytes": 3}

    drafting.responses["PUT", "/raw-files/new.csv"] = save
    app = open_page(PAGE)
    app.file_uploader(key="new_use_case_upload").set_value(("new.csv", b"a,b\n", "text/csv")).run()
    app.run()
    (sent,) = drafting.find_calls("PUT", "/raw-files/new.csv")
    assert sent.body == b"a,b\n"
    assert app.selectbox(key="new_use_case_file").value == "new.csv"
    assert app.selectbox(key="new_use_case_target:new.csv").value == "b"
