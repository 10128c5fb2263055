from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages_app import Canned
from streamlit_app.settings import Settings

Opened = Callable[..., AppTest]
PAGES = ["predict", "data", "models", "drift", "live"]


@pytest.mark.usefixtures("service")
def test_the_use_case_of_the_url_is_chosen(opened: Opened) -> None:
    app = opened("models", use_case="three")
    assert app.selectbox(key="use_case").value == "three"


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("named", ["", "nowhere"], ids=["none", "an unknown one"])
def test_otherwise_it_is_the_servers_default(opened: Opened, named: str) -> None:
    app = opened("models", use_case=named)
    assert app.selectbox(key="use_case").value == "small"
    assert app.query_params["use_case"] == "small"


@pytest.mark.usefixtures("service")
def test_the_choice_stays_on_every_page_and_in_the_url(opened: Opened) -> None:
    app = opened("predict")
    app.selectbox(key="use_case").select("three").run()
    for page in PAGES[1:]:
        app.switch_page(f"views/{page}.py").run()
        assert app.selectbox(key="use_case").value == "three"
        assert app.query_params["use_case"] == "three"


@pytest.mark.usefixtures("service")
def test_the_language_is_kept_in_the_url(opened: Opened) -> None:
    app = opened("models", lang="es")
    assert app.selectbox(key="use_case").label == "Caso de uso"
    assert app.query_params["lang"] == "es"


@pytest.mark.usefixtures("service")
def test_an_unknown_language_is_english(opened: Opened) -> None:
    assert opened("models", lang="xx").selectbox(key="use_case").label == "Use case"


def test_a_server_that_is_away_is_told(opened: Opened) -> None:
    app = opened("predict")
    [error] = app.error
    assert "http://127.0.0.1:9 does not answer" in error.value
    assert "servicio-ml serve" in error.value
    assert not app.exception


def test_a_server_without_models_says_how_to_make_one(opened: Opened, service: Canned) -> None:
    service.give("GET", "/", {"models": [], "default_model": "small"})
    [warning] = opened("predict").warning
    assert "servicio-ml train" in warning.value


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("status", "typed", "said"),
    [
        (401, "", "asks for an API key"),
        (401, "wrong", "does not know this API key"),
        (403, "plain", "needs the scope `admin`"),
        (503, "", "busy or not ready"),
        (500, "", "refused"),
    ],
    ids=["no key", "a wrong key", "a plain key", "not ready", "a failure"],
)
def test_a_refusal_is_told_on_each_page(
    opened: Opened, service: Canned, page: str, status: int, typed: str, said: str
) -> None:
    service.otherwise = (status, {"title": "no", "detail": "because of the test"})
    app = opened(page, api_key=typed)
    assert any(said in each.value for each in app.error), [each.value for each in app.error]
    assert any("because of the test" in each.value for each in app.code)


@pytest.mark.parametrize("content", [None, b"\xff"], ids=["no file", "no text"])
def test_a_key_file_that_cannot_be_read_is_told(
    opened: Opened, service: Canned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    file, given = tmp_path / "key", "SERVICIO_ML_API_KEY_FILE"
    if content is not None:
        file.write_bytes(content)

    def named(*_: object) -> Settings:
        return Settings(api_url=service.url, api_key_file=file)

    monkeypatch.setattr("streamlit_app.session.settings", named)
    app = opened("predict")
    [error] = app.error
    assert given in error.value
    app.text_input(key="api_key").input("typed").run()
    assert service.asked("GET", "/")


def test_the_typed_key_is_sent_and_kept_apart(opened: Opened, service: Canned) -> None:
    app = opened("predict")
    app.text_input(key="api_key").input("typed").run()
    keys = [call.headers.get("x-api-key") for call in service.asked("GET", "/")]
    assert keys == [None, "typed"]
