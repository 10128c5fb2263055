"""A page without a browser, over a canned server."""

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages_app import APP, NO_METRICS, NOWHERE, Canned, canned

MODEL = "small"
START_SECONDS = 30
Opened = Callable[..., AppTest]


@pytest.fixture
def service() -> Iterator[Canned]:
    """The server, with one model that answers."""
    with canned() as made:
        made.give("GET", "/", {"models": [MODEL, "three"], "default_model": MODEL})
        yield made


@pytest.fixture
def prometheus() -> Iterator[Canned]:
    """Where metrics are asked for."""
    with canned() as made:
        yield made


@pytest.fixture
def opened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens a page by the name of its file: `opened("models", use_case="three", lang="es")`.

    It asks the fixtures `service` and `prometheus` where the test has them, and nobody where not. Further
    arguments go into the session.
    """
    for name, fixture, none in (("API", "service", NOWHERE), ("PROMETHEUS", "prometheus", NO_METRICS)):
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
        if name != "predict":
            app.switch_page(f"views/{name}.py").run()
        assert not app.exception, app.exception
        return app

    return open_page
