"""The page `/graphql` in a real browser, over a real server with and without API keys."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from model_server import ModelServer, ModelShelf, run_model_server
from servicio_ml.serving.http.api_keys import Scope, format_key_line

pytestmark = pytest.mark.slow
ANSWERED = "Answer: status 200"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> Path:
    """Folder of a platform with one model."""
    shelf = ModelShelf(tmp_path_factory.mktemp("graphql"))
    shelf.add("small", artifact_folder)
    return shelf.state


@pytest.fixture(scope="module")
def open_server(state: Path) -> Iterator[ModelServer]:
    with run_model_server(state, workers=1) as made:
        yield made


def _read_answer(screen: Page) -> dict[str, object]:
    document: dict[str, object] = json.loads(screen.locator("#answer").inner_text())
    return document


def test_a_prediction_by_the_example(screen: Page, open_server: ModelServer) -> None:
    screen.goto(f"{open_server.url}/graphql")
    screen.get_by_role("button", name="Example: predict").click()
    variables = screen.get_by_label("Variables")
    expect(variables).to_have_value(re.compile("colour"))
    variables.press("Control+Enter")
    expect(screen.get_by_role("status")).to_contain_text(ANSWERED)
    assert '"model": "small"' in json.dumps(_read_answer(screen))
    assert open_server.read_metric("servicio_ml_predictions_total", protocol="graphql") == 1
    screen.get_by_text("Schema", exact=True).click()
    expect(screen.get_by_text("predict(model: String!, records: [JSON!]!")).to_be_visible()
    severe = [each for each in Axe().run(screen).response["violations"] if each["impact"] == "serious"]
    assert severe == []


def test_a_server_with_keys_asks_for_one(screen: Page, state: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(format_key_line("reader", frozenset({Scope.PREDICT}), "a-key") + "\n")
    with run_model_server(state, workers=1, keys_file=keys) as server:
        # a page whose console is not watched: a browser reports a refusal as an error
        stranger = screen.context.new_page()
        stranger.goto(f"{server.url}/graphql")
        stranger.get_by_role("button", name="Run").click()
        expect(stranger.get_by_role("status")).to_have_text(re.compile("status 401.* enter an API key above"))
        screen.goto(f"{server.url}/graphql")
        screen.get_by_label("API key").fill("a-key")
        screen.get_by_role("button", name="Run").click()
        expect(screen.get_by_role("status")).to_contain_text(ANSWERED)
        expect(screen.locator("#answer")).to_contain_text('"name": "small"')


def test_what_is_wrong_is_said(screen: Page, open_server: ModelServer) -> None:
    screen.goto(f"{open_server.url}/graphql")
    screen.get_by_label("Variables").fill('{"model": ')
    screen.get_by_role("button", name="Run").click()
    expect(screen.get_by_text("The variables are no JSON object")).to_be_visible()
    screen.get_by_label("Variables").fill("{}")
    screen.get_by_label("Query").fill("{ weather }")
    screen.get_by_role("button", name="Run").click()
    expect(screen.locator("#answer")).to_contain_text("Cannot query field 'weather' on type 'Query'")
