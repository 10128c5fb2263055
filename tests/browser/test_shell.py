"""The frame of the pages in a real browser: the picker, the language, the key, a narrow screen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from pages_app import FakeServer, run_fake_server, run_pages

pytestmark = pytest.mark.slow
NARROW = ViewportSize(width=390, height=844)


@pytest.fixture(scope="module")
def service() -> Iterator[FakeServer]:
    with run_fake_server() as made:
        made.set_response("GET", "/", {"models": ["small", "three"], "titles": {}, "default_model": "small"})
        yield made


@pytest.fixture(scope="module")
def url(service: FakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_pages(tmp_path_factory.mktemp("pages"), api=service.url) as found:
        yield found


def test_a_link_opens_its_page_use_case_and_language(screen: Page, url: str) -> None:
    screen.goto(f"{url}/models?use_case=three&lang=es")
    expect(screen.get_by_role("heading", name="Modelos", level=1)).to_be_visible()
    expect(screen.get_by_label("Caso de uso")).to_have_value("Three")
    screen.get_by_role("link", name="Datos").click()
    expect(screen.get_by_role("heading", name="Datos", level=1)).to_be_visible()
    screen.wait_for_url("**/data?*use_case=three*")
    assert "lang=es" in screen.url


def test_the_language_is_changed_by_the_keyboard(screen: Page, url: str) -> None:
    screen.goto(f"{url}/models")
    expect(screen.get_by_role("heading", name="Models", level=1)).to_be_visible()
    choice = screen.get_by_role("radio", name="Español")
    choice.focus()
    choice.press("Enter")
    expect(screen.get_by_role("heading", name="Modelos", level=1)).to_be_visible()


@pytest.mark.parametrize("screen", [NARROW], indirect=True)
def test_a_narrow_screen_shows_the_page_and_hides_the_side(screen: Page, url: str) -> None:
    screen.goto(f"{url}/data")
    expect(screen.get_by_role("heading", name="Data", level=1)).to_be_visible()
    assert screen.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
