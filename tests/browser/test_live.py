"""The page Live in a real browser, over a platform with drift under a real Prometheus with its rules."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from monitored_platform import MonitoredPlatform, run_monitored_platform
from pages_app import run_pages

pytestmark = pytest.mark.slow
DRAWN = "[data-testid=stVegaLiteChart] :is(canvas, svg)"
WAIT_MILLISECONDS = 90_000
ATTEMPTS, ATTEMPT_SECONDS = 180, 1


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path, multiclass_folder: Path,
    regression_folder: Path,
) -> Iterator[MonitoredPlatform]:  # fmt: skip
    """A platform whose rows drift and that receives labels."""
    artifacts = {"small": artifact_folder, "three": multiclass_folder, "price": regression_folder}
    with run_monitored_platform(tmp_path_factory.mktemp("watched"), artifacts) as made:
        made.load.faults_started.set()
        for _ in range(ATTEMPTS):
            if fetch_firing(made):
                break
            threading.Event().wait(ATTEMPT_SECONDS)
        yield made


def fetch_firing(platform: MonitoredPlatform) -> set[str]:
    """Fetch the names of the firing alerts of `small`."""
    with urllib.request.urlopen(f"{platform.prometheus}/api/v1/alerts") as answer:  # noqa: S310  of our own
        alerts = json.load(answer)["data"]["alerts"]
    every = {each["labels"]["alertname"]: each for each in alerts if each["labels"].get("model") == "small"}
    return {name for name, each in every.items() if each["state"] == "firing"}


@pytest.fixture(scope="module")
def url(platform: MonitoredPlatform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    api = platform.load.platform.url
    with run_pages(tmp_path_factory.mktemp("pages"), api=api, prometheus=platform.prometheus) as found:
        yield found


def test_metrics_and_firing_alerts(screen: Page, url: str, platform: MonitoredPlatform) -> None:
    screen.goto(f"{url}/live?use_case=small")
    metric = screen.get_by_test_id("stMetric")
    expect(metric.filter(has_text="Champion")).to_contain_text("version 1", timeout=WAIT_MILLISECONDS)
    for name in fetch_firing(platform):
        expect(screen.get_by_text(name, exact=True).first).to_be_visible(timeout=WAIT_MILLISECONDS)
    assert fetch_firing(platform)
    for title in (
        "Busiest routes",
        "Accuracy",
        "Label coverage",
        "Age of the pipelines",
    ):
        expect(screen.get_by_text(title, exact=True)).to_be_visible(timeout=WAIT_MILLISECONDS)
    drawn = screen.locator(DRAWN).first
    expect(drawn).to_be_visible(timeout=WAIT_MILLISECONDS)
    expect(screen.get_by_text("FeatureDrift").first).to_be_visible()
    # the screenshot is taken when the page is complete
    expect(screen.get_by_test_id("stSkeleton")).to_have_count(0, timeout=WAIT_MILLISECONDS)


def test_the_page_refreshes_itself_until_it_is_paused(screen: Page, url: str) -> None:
    screen.goto(f"{url}/live?use_case=small")
    rows = screen.get_by_test_id("stMetric").filter(has_text="Predictions per second")
    expect(rows).to_be_visible(timeout=WAIT_MILLISECONDS)
    first = rows.inner_text()
    expect(rows).not_to_have_text(first, timeout=WAIT_MILLISECONDS)
    screen.get_by_text("Refresh every 15 s").click()
    toggle = screen.get_by_role("switch", name="Refresh every 15 s")
    expect(toggle).not_to_be_checked(timeout=WAIT_MILLISECONDS)


def test_the_server_is_shown_without_prometheus(
    screen: Page, platform: MonitoredPlatform, tmp_path: Path
) -> None:
    with run_pages(tmp_path, api=platform.load.platform.url) as found:
        screen.goto(f"{found}/live?use_case=three")
        expect(screen.get_by_text("does not respond")).to_be_visible(timeout=WAIT_MILLISECONDS)
        metric = screen.get_by_test_id("stMetric").filter(has_text="Champion")
        expect(metric).to_contain_text("version 1", timeout=WAIT_MILLISECONDS)
        screen.goto("about:blank")  # a page that outlives its server complains
