"""A real browser, whose pages must stay on this machine and throw nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, expect, sync_playwright

from documents import run
from pages_app import pages
from platforms import Platform, serving

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "build" / "screenshots"
"""Each test's last screen is kept there."""
WIDE = ViewportSize(width=1280, height=900)
WAIT_MILLISECONDS = 30_000
HARMLESS = ("_stcore/health", "_stcore/host-config")
"""Streamlit looks for its own root below the page's path first."""
RAIN = "rain_australia"
CHAMPION = f"""
servicio-ml data sample {RAIN}
servicio-ml etl {RAIN}
servicio-ml train {RAIN} --candidate decision_tree --trials 1
"""


@pytest.fixture(scope="session")
def rain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A server with a rain model; tests may add predictions and labels."""
    folder = tmp_path_factory.mktemp("rain")
    done = run(CHAMPION, folder)
    assert done.returncode == 0, done.stderr
    with serving(folder / "var") as made:
        yield made


@pytest.fixture(scope="session")
def rain_pages(rain: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the pages over that server."""
    with pages(tmp_path_factory.mktemp("pages"), api=rain.url) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium; install the Debian package chromium")
    expect.set_options(timeout=WAIT_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def screen(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of the browser; of another size where the test is parametrised with one (`indirect=True`)."""
    size: ViewportSize = getattr(request, "param", WIDE)
    context = chromium.new_context(viewport=size, accept_downloads=True, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(WAIT_MILLISECONDS)
    errors: list[str] = []
    strangers: list[str] = []

    def console(message: ConsoleMessage) -> None:
        where = message.location.get("url", "")
        if message.type == "error" and not where.endswith(HARMLESS):
            errors.append(f"{message.text} ({where})")

    def requested(asked: Request) -> None:
        if urlsplit(asked.url).hostname not in {"127.0.0.1", None}:
            strangers.append(asked.url)

    page.on("console", console)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", requested)
    yield page
    PICTURES.mkdir(parents=True, exist_ok=True)
    # Streamlit scrolls inside the page: all of it is seen only where it fits
    height = page.evaluate("document.querySelector('[data-testid=stMain]')?.scrollHeight ?? 0")
    page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
    page.screenshot(path=PICTURES / f"{request.path.stem}-{request.node.name}.png", full_page=True)
    context.close()
    assert strangers == []
    assert errors == []
