from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages_app import FakeServer
from streamlit_app.settings import PageSettings

OpenPage = Callable[..., AppTest]
PAGES = ["predict", "data", "models", "drift", "live"]
"""Pages that need a use case."""


@pytest.mark.usefixtures("service")
def test_the_use_case_of_the_url_is_chosen(open_page: OpenPage) -> None:
    app = open_page("models", use_case="three")
    assert app.selectbox(key="use_case").value == "three"


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("named", ["", "nowhere"], ids=["none", "an unknown one"])
def test_otherwise_it_is_the_servers_default(open_page: OpenPage, named: str) -> None:
    app = open_page("models", use_case=named)
    assert app.selectbox(key="use_case").value == "small"
    assert app.query_params["use_case"] == "small"


@pytest.mark.usefixtures("service")
def test_the_choice_stays_on_every_page_and_in_the_url(open_page: OpenPage) -> None:
    app = open_page("predict")
    app.selectbox(key="use_case").select("three").run()
    for page in PAGES[1:]:
        app.switch_page(f"{page}/page.py").run()
        assert app.selectbox(key="use_case").value == "three"
        assert app.query_params["use_case"] == "three"


def test_use_cases_have_their_titles_in_the_readers_language(
    open_page: OpenPage, service: FakeServer
) -> None:
    models, titles = ["small", "vehicle_price", "my_own"], {"small": "A", "vehicle_price": "Used-car prices"}
    service.set_response("GET", "/", {"models": models, "titles": titles, "default_model": "small"})
    assert open_page("models").selectbox(key="use_case").options == ["A", "Used-car prices", "My own"]
    assert open_page("models", lang="es").selectbox(key="use_case").options[1] == "Precio de coches usados"


@pytest.mark.usefixtures("service")
def test_the_language_is_kept_in_the_url(open_page: OpenPage) -> None:
    app = open_page("models", lang="es")
    assert app.selectbox(key="use_case").label == "Caso de uso"
    assert app.query_params["lang"] == "es"


@pytest.mark.usefixtures("service")
def test_an_unknown_language_is_english(open_page: OpenPage) -> None:
    assert open_page("models", lang="xx").selectbox(key="use_case").label == "Use case"


def test_a_server_that_does_not_respond_is_reported(open_page: OpenPage) -> None:
    app = open_page("predict")
    [error] = app.error
    assert "http://127.0.0.1:9 does not respond" in error.value
    assert "servicio-ml serve" in error.value
    assert not app.exception


def test_a_server_without_models_says_how_to_make_one(open_page: OpenPage, service: FakeServer) -> None:
    service.set_response("GET", "/", {"models": [], "titles": {}, "default_model": "small"})
    [warning] = open_page("predict").warning
    assert "The page Home shows the first steps" in warning.value


def test_the_page_data_has_the_use_cases_without_a_model(open_page: OpenPage, service: FakeServer) -> None:
    titles = {"small": "A", "later": "Not trained yet"}
    service.set_response("GET", "/", {"models": ["small"], "titles": titles, "default_model": "small"})
    app = open_page("data")
    assert app.selectbox(key="use_case").options == ["Not trained yet", "A"]
    app.selectbox(key="use_case").select("later").run()
    assert service.find_calls("GET", "/models/later/data")
    app.switch_page("models/page.py").run()
    assert app.selectbox(key="use_case").options == ["A"]
    assert app.selectbox(key="use_case").value == "small"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("status", "typed", "said"),
    [
        (401, "", "requires an API key"),
        (401, "wrong", "does not know this API key"),
        (403, "plain", "lacks the scope `admin`"),
        (503, "", "busy or not ready"),
        (500, "", "refused"),
    ],
    ids=["no key", "a wrong key", "a plain key", "not ready", "a failure"],
)
def test_a_refusal_is_reported_on_each_page(
    open_page: OpenPage, service: FakeServer, page: str, status: int, typed: str, said: str
) -> None:
    service.default_response = (status, {"title": "no", "detail": "because of the test"})
    app = open_page(page, api_key=typed)
    assert any(said in each.value for each in app.error), [each.value for each in app.error]
    assert any("because of the test" in each.value for each in app.code)


@pytest.mark.parametrize("content", [None, b"\xff"], ids=["no file", "no text"])
def test_a_key_file_that_cannot_be_read_is_reported(
    open_page: OpenPage,
    service: FakeServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | None,
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)

    def build_settings(*_: object) -> PageSettings:
        return PageSettings(api_url=service.url, api_key_file=file)

    monkeypatch.setattr("streamlit_app.session.get_settings", build_settings)
    app = open_page("predict")
    [error] = app.error
    assert "SERVICIO_ML_API_KEY_FILE" in error.value
    app.text_input(key="api_key").input("typed").run()
    assert service.find_calls("GET", "/")


def test_the_typed_key_is_sent_and_kept_apart(open_page: OpenPage, service: FakeServer) -> None:
    app = open_page("predict")
    app.text_input(key="api_key").input("typed").run()
    keys = [call.headers.get("x-api-key") for call in service.find_calls("GET", "/")]
    assert keys == [None, "typed"]
