"""Every page on a running platform: what axe-core finds, narrow screens, one heading, no traceback."""

from collections.abc import Iterator, Mapping

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from model_server import MODELS, ModelShelf, run_model_server
from monitored_platform import TrafficLoad
from pages_app import run_pages

pytestmark = pytest.mark.slow
PAGES = ["", "predict", "data", "models", "drift", "live"]
"""Paths; the first page is at the root."""
NARROW = ViewportSize(width=390, height=844)
SEVERE_IMPACTS = {"serious", "critical"}
STREAMLIT_VIOLATIONS: Mapping[str, str] = {}
"""Rules that Streamlit itself breaks, each with where."""


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("accessible")
    shelf = ModelShelf(folder / "state")
    for model, artifact in MODELS.items():
        shelf.add(model, request.getfixturevalue(artifact))
    with run_model_server(shelf.state, workers=1) as platform:
        TrafficLoad(platform).send_batch()
        with run_pages(folder, api=platform.url) as found:
            yield found


def _open_page(screen: Page, url: str, page: str, language: str = "en") -> None:
    screen.goto(f"{url}/{page}?use_case=small&lang={language}")
    expect(screen.get_by_role("heading", level=1)).to_have_count(1)
    expect(screen.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    # a widget is a grey place until the browser has its code
    expect(screen.get_by_test_id("stSkeleton")).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("page", PAGES, ids=["home", *PAGES[1:]])
def test_axe_finds_no_severe_violation(screen: Page, url: str, page: str, language: str) -> None:
    _open_page(screen, url, page, language)
    found = Axe().run(screen).response["violations"]
    severe = [
        (each["id"], each["help"], [node["html"][:200] for node in each["nodes"]][:3])
        for each in found
        if each["impact"] in SEVERE_IMPACTS and each["id"] not in STREAMLIT_VIOLATIONS
    ]
    assert severe == []
    expect(screen.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize("screen", [NARROW], indirect=True, ids=["telephone"])
@pytest.mark.parametrize("page", PAGES, ids=["predict", *PAGES[1:]])
def test_a_narrow_screen_needs_no_scrolling_to_the_side(screen: Page, url: str, page: str) -> None:
    _open_page(screen, url, page)
    assert screen.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


@pytest.mark.parametrize("page", PAGES, ids=["predict", *PAGES[1:]])
def test_the_first_stops_of_the_keyboard_are_seen(screen: Page, url: str, page: str) -> None:
    _open_page(screen, url, page)
    stops = []
    for _ in range(12):
        screen.keyboard.press("Tab")
        stops.append(
            screen.evaluate(
                "(() => { const e = document.activeElement; const r = e.getBoundingClientRect();"
                " return e === document.body ? null : [e.tagName, r.width > 0 && r.height > 0]; })()"
            )
        )
    reached = [stop for stop in stops if stop]
    assert len(reached) > 5
    assert all(seen for _, seen in reached)
