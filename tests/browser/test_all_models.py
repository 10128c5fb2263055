"""The page Home in a real browser, over a real server."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from pages_app import FakeServer, run_fake_server, run_pages

pytestmark = pytest.mark.slow
MARK = (12, 52)
"""Place of the first row's mark in the table, in pixels."""


@pytest.fixture
def empty_server() -> Iterator[FakeServer]:
    with run_fake_server() as made:
        made.set_response("GET", "/", {"models": [], "titles": {}, "default_model": "small"})
        yield made


def test_a_row_leads_to_its_model(screen: Page, rain_pages: str) -> None:
    screen.goto(rain_pages)
    expect(screen.get_by_role("heading", name="Home", level=1)).to_be_visible()
    canvas = screen.get_by_test_id("stDataFrame").locator("canvas").first
    expect(canvas.get_by_test_id("glide-cell-2-0")).to_contain_text("ready")
    place = canvas.bounding_box()
    assert place is not None
    # below the header, the first cell of a row is its mark of selection
    screen.mouse.click(place["x"] + MARK[0], place["y"] + MARK[1])
    screen.wait_for_url(re.compile("/predict.*use_case=rain_australia"))
    expect(screen.get_by_role("heading", name="Predict", level=1)).to_be_visible()


def test_an_empty_server_shows_the_first_steps(
    screen: Page, empty_server: FakeServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with run_pages(tmp_path_factory.mktemp("pages"), api=empty_server.url) as found:
        screen.goto(found)
        expect(screen.get_by_text("servicio-ml init NAME")).to_be_visible()
        screen.goto("about:blank")  # a page that outlives its server complains
