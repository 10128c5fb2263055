"""The pages of an imported model: converted to ONNX, and isolated."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from skops.io import dump

from documents import run_script
from imported_models import BINARY, CONVERTIBLE, make_rows, make_targets
from model_server import ModelServer, run_model_server
from pages_app import run_pages

pytestmark = pytest.mark.slow
ROWS = 700
IMPORT = "servicio-ml import {name} --model model.skops --data rows.csv --target outcome"
IMPORT_COMMANDS = "\n".join((IMPORT.format(name="plums"), IMPORT.format(name="pears") + " --isolated"))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server with one pipeline, imported in both ways."""
    folder = tmp_path_factory.mktemp("imports")
    rows = make_rows(ROWS)
    dump(CONVERTIBLE["logistic regression"].fit(rows), folder / "model.skops")
    rows.assign(outcome=make_targets(rows)[BINARY]).to_csv(folder / "rows.csv", index=False)
    done = run_script(IMPORT_COMMANDS, folder)
    assert done.returncode == 0, done.stderr
    with run_model_server(folder / "var", use_cases_dir=folder / "use_cases", models="plums,pears") as made:
        yield made


@pytest.fixture(scope="module")
def url(platform: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("pages")
    with run_pages(folder, api=platform.url) as found:
        yield found


def test_home_marks_the_isolated_model(screen: Page, url: str) -> None:
    screen.goto(url)
    table = screen.get_by_test_id("stDataFrame").locator("canvas").first
    expect(table).to_contain_text("version 1, isolated")


@pytest.mark.parametrize(("model", "isolated"), [("plums", False), ("pears", True)])
def test_models_says_what_runs_the_champion(screen: Page, url: str, model: str, *, isolated: bool) -> None:
    screen.goto(f"{url}/models?use_case={model}")
    expect(screen.get_by_text("from model.skops; measured on the data of", exact=False)).to_be_visible()
    note = screen.get_by_text("Not converted to ONNX, it runs in an isolated process: about")
    expect(note).to_have_count(int(isolated))


@pytest.mark.parametrize("model", ["plums", "pears"])
def test_predict_answers(screen: Page, url: str, model: str) -> None:
    screen.goto(f"{url}/predict?use_case={model}")
    screen.get_by_role("button", name="Predict").click()
    expect(screen.get_by_role("heading", name="Contributions to the probability of yes")).to_be_visible()
    expect(screen.get_by_role("heading", name="What if?")).to_be_visible()
