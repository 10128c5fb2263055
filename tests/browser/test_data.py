"""The page Data in a real browser, over a real server with published data."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, ViewportSize, expect

from model_server import ModelServer

pytestmark = pytest.mark.slow
MODEL = "rain_australia"
NARROW = ViewportSize(width=390, height=844)


@pytest.fixture
def url(rain_pages: str) -> str:
    return f"{rain_pages}/data?use_case={MODEL}"


@pytest.fixture(scope="module")
def published(rain: ModelServer) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{rain.url}/models/{MODEL}/data").raise_for_status().json()
    return found


def open_tab(screen: Page, url: str, tab: str) -> None:
    screen.goto(url)
    screen.get_by_role("tab", name=tab, exact=True).click()


def extract_digits(text: str) -> str:
    return "".join(each for each in text if each.isdigit())


def test_the_overview_has_the_counts_of_the_server(screen: Page, url: str, published: dict[str, Any]) -> None:
    open_tab(screen, url, "Overview")
    for label, number in (
        ("Rows read", published["counts"]["read"]),
        ("Rows published", published["overview"]["rows"]),
        ("Columns", len(published["overview"]["columns"])),
    ):
        shown = screen.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")
        expect(shown).to_be_visible()
        assert extract_digits(shown.inner_text()) == str(number)
    # the text alternative names the chart's own buttons
    described = screen.get_by_role("button", name="Show data: Rows by status. published:")
    expect(described).to_be_attached()


@pytest.mark.parametrize("tab", ["Missing values", "Relation to the target", "Correlations", "Distributions"])
def test_charts_are_drawn_and_have_a_text_alternative(screen: Page, url: str, tab: str) -> None:
    open_tab(screen, url, tab)
    panel = screen.get_by_role("tabpanel").filter(visible=True)
    drawn = panel.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first
    expect(drawn).to_be_visible()
    box = drawn.bounding_box()
    assert box is not None
    assert box["width"] > 300
    expect(panel.get_by_text("As a table").first).to_be_visible()


def test_another_column_is_drawn(screen: Page, url: str) -> None:
    open_tab(screen, url, "Distributions")
    box = screen.get_by_role("combobox", name="Column", exact=True)
    box.fill("Relative humidity at 3pm")
    box.press("Enter")
    expect(screen.get_by_text("Distribution: Relative humidity at 3pm", exact=True)).to_be_visible()
    screen.get_by_role("radio", name="Share of each class").click()
    expect(screen.get_by_text("Distribution: Relative humidity at 3pm", exact=True)).to_be_visible()


@pytest.mark.parametrize("screen", [NARROW], indirect=True)
def test_in_spanish_on_a_narrow_screen(screen: Page, url: str) -> None:
    open_tab(screen, f"{url}&lang=es", "Valores faltantes")
    expect(screen.get_by_text("Valores faltantes por columna", exact=True)).to_be_visible()
    assert screen.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
