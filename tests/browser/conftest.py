"""A real browser, whose pages must reach no other machine and raise no error."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, expect, sync_playwright

from documents import run_script
from model_server import ModelServer, run_model_server
from pages_app import run_pages

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
"""Folder of a screenshot of each test at its end."""
WIDE = ViewportSize(width=1280, height=900)
WAIT_MILLISECONDS = 60_000
EXPECTED_FAILURES = ("_stcore/health", "_stcore/host-config")
"""Paths that Streamlit's script first looks for below the page."""
RAIN = "rain_australia"
TRAIN_COMMANDS = f"""
servicio-ml data sample {RAIN}
servicio-ml etl {RAIN}
servicio-ml train {RAIN} --candidate decision_tree --trials 1
"""


@pytest.fixture(scope="session")
def rain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server with a rain model, to which tests may add predictions and labels."""
    folder = tmp_path_factory.mktemp("rain")
    done = run_script(TRAIN_COMMANDS, folder)
    assert done.returncode == 0, done.stderr
    with run_model_server(folder / "var") as made:
        yield made


@pytest.fixture(scope="session")
def rain_pages(rain: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the pages over that server."""
    with run_pages(tmp_path_factory.mktemp("pages"), api=rain.url) as found:
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
    """A page of the browser; an indirect parameter of the test sets its size."""
    size: ViewportSize = getattr(request, "param", WIDE)
    context = chromium.new_context(viewport=size, accept_downloads=True, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(WAIT_MILLISECONDS)
    errors: list[str] = []
    outside_urls: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        where = message.location.get("url", "")
        if message.type == "error" and not where.endswith(EXPECTED_FAILURES):
            errors.append(f"{message.text} ({where})")

    def on_request(sent: Request) -> None:
        if urlsplit(sent.url).hostname not in {"127.0.0.1", None}:
            outside_urls.append(sent.url)

    page.on("console", on_console)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", on_request)
    yield page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    # Streamlit scrolls inside the page: a window of its height shows all of it
    height = page.evaluate("document.querySelector('[data-testid=stMain]')?.scrollHeight ?? 0")
    page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
    page.screenshot(path=SCREENSHOTS / f"{request.path.stem}-{request.node.name}.png", full_page=True)
    context.close()
    assert outside_urls == []
    assert errors == []
