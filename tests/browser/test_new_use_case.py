"""The page New use case in a real browser: from an uploaded file to the page Predict of its model."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from messy_files import write_rows
from model_server import ModelServer, run_model_server
from pages_app import run_pages

pytestmark = pytest.mark.slow
TRAINING_MILLISECONDS = 300_000
SENT_MILLISECONDS = 500
ATTEMPTS, WRITTEN_MILLISECONDS = 8, 3_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server without models, with a folder of use cases."""
    folder = tmp_path_factory.mktemp("server")
    with run_model_server(folder / "var", ready=False, workers=1, use_cases_dir=folder / "use_cases") as made:
        yield made


@pytest.fixture(scope="module")
def url(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_pages(tmp_path_factory.mktemp("pages"), api=server.url) as found:
        yield found


def write_cell(screen: Page, *, row: int, column: str, text: str, enters: int) -> None:
    """Write into a cell of the table of a draft, which is drawn on a canvas, by the keyboard.

    The canvas holds a table for screen readers, with the header of each column and the text of each cell.
    """
    canvas = screen.get_by_test_id("stDataFrame").locator("canvas").first
    expect(canvas.locator("th").first).to_be_attached()
    # the page that an earlier change draws anew would close the field; a change is sent after a moment
    screen.wait_for_timeout(SENT_MILLISECONDS)
    expect(screen.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    headers = canvas.locator("th").all_text_contents()
    cell = canvas.get_by_test_id(f"glide-cell-{headers.index(column)}-{row}")
    for _ in range(ATTEMPTS):
        # a table that is drawn anew meanwhile closes the field and drops what was written
        _type_into_cell(screen, canvas.get_by_test_id("glide-cell-0-0"), cell, text, enters)
        with suppress(AssertionError):
            expect(cell).to_contain_text(text, timeout=WRITTEN_MILLISECONDS)
            return
    expect(cell).to_contain_text(text)


def _type_into_cell(screen: Page, first: Locator, cell: Locator, text: str, enters: int) -> None:
    # the first focus of the table selects its first cell; keys that come before that has moved go to it
    for each in (first, cell):
        each.focus()
        expect(each).to_have_attribute("aria-selected", "true")
    screen.keyboard.press("Enter")
    field = screen.locator("#portal input").first
    expect(field).to_be_visible()
    field.press("Control+a")
    field.press_sequentially(text)
    for _ in range(enters):
        # a field that was closed meanwhile takes no key
        if field.is_visible():
            screen.keyboard.press("Enter")
    expect(field).to_be_hidden()


def test_an_uploaded_file_becomes_a_model_that_predicts(screen: Page, url: str, tmp_path: Path) -> None:
    file = tmp_path / "plums.csv"
    colours = ("red", "blue")
    file.write_text(write_rows("size,id,colour", lambda i: f"{i * 13 % 70},{i},{colours[i % 2]}", rows=400))
    screen.goto(f"{url}/new_use_case")
    screen.locator("input[type=file]").set_input_files(file)
    screen.get_by_label("Name of the use case, such as flat_rent").fill("plums")
    # the column that is called as targets are is chosen
    expect(screen.get_by_label("Column to predict")).to_have_value("y")
    screen.get_by_role("button", name="Draft", exact=True).click()
    expect(screen.get_by_role("heading", name="2. What becomes of each column")).to_be_visible()
    write_cell(screen, row=0, column="Maximum", text="99", enters=1)
    # one key makes a level of the text, one closes the editor
    write_cell(screen, row=2, column="Levels", text="green", enters=2)
    screen.get_by_role("button", name="Draft again with these corrections").click()
    screen.get_by_text("The file of the use case").click()
    source = screen.get_by_test_id("stCode").locator("code")
    expect(source).to_contain_text("maximum=99")
    expect(source).to_contain_text('levels=("blue", "red", "green")')
    screen.get_by_role("button", name="Save the use case").click()
    expect(screen.get_by_text("The use case plums is saved.")).to_be_visible()
    screen.get_by_role("button", name="Train", exact=True).click()
    expect(screen.get_by_text("step: etl")).to_be_visible()
    heading = screen.get_by_role("heading", name="Predict", level=1)
    expect(heading).to_be_visible(timeout=TRAINING_MILLISECONDS)
    expect(screen.get_by_label("Use case")).to_have_value("Plums")
    screen.get_by_role("button", name="Predict").click()
    expect(screen.get_by_text("Prediction").first).to_be_visible()
