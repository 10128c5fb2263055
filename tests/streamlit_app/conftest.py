"""Pages without a browser, over a fake server."""

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages_app import APP, UNREACHABLE_API, UNREACHABLE_PROMETHEUS, FakeServer, run_fake_server

MODEL = "small"
START_SECONDS = 30
OpenPage = Callable[..., AppTest]


@pytest.fixture
def service() -> Iterator[FakeServer]:
    """A server with two models."""
    with run_fake_server() as made:
        made.set_response("GET", "/", {"models": [MODEL, "three"], "titles": {}, "default_model": MODEL})
        yield made


@pytest.fixture
def prometheus() -> Iterator[FakeServer]:
    """A server in the place of Prometheus."""
    with run_fake_server() as made:
        yield made


@pytest.fixture
def open_page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """A function that opens a page: `open_page("models", use_case="three", lang="es")`.

    It asks the fixtures `service` and `prometheus` where the test has them, and nobody where not. Further
    arguments go into the session.
    """
    for name, fixture, none in (
        ("API", "service", UNREACHABLE_API),
        ("PROMETHEUS", "prometheus", UNREACHABLE_PROMETHEUS),
    ):
        known = request.getfixturevalue(fixture).url if fixture in request.fixturenames else none
        monkeypatch.setenv(f"SERVICIO_ML_{name}_URL", known)
    monkeypatch.delenv("SERVICIO_ML_API_KEY_FILE", raising=False)
    st.cache_data.clear()
    st.cache_resource.clear()

    def open_page(name: str, *, use_case: str = "", lang: str = "", **state: object) -> AppTest:
        app = AppTest.from_file(APP, default_timeout=START_SECONDS)
        for key, value in (("use_case", use_case), ("lang", lang)):
            if value:
                app.query_params[key] = value
        for each, kept in state.items():
            app.session_state[each] = kept
        app.run()
        if name != "all_models":
            app.switch_page(f"{name}/page.py").run()
        assert not app.exception, app.exception
        return app

    return open_page
