"""The page Live in a real browser, over a platform in trouble under a real Prometheus with its rules."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pages_app import pages
from watched import Watched, watched

pytestmark = pytest.mark.slow
DRAWN = "[data-testid=stVegaLiteChart] :is(canvas, svg)"
WAIT_MILLISECONDS = 90_000
LOOKS, BETWEEN_LOOKS_SECONDS = 180, 1


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path, multiclass_folder: Path,
    regression_folder: Path,
) -> Iterator[Watched]:  # fmt: skip
    """Its rows drift and its labels come."""
    artifacts = {"small": artifact_folder, "three": multiclass_folder, "price": regression_folder}
    with watched(tmp_path_factory.mktemp("watched"), artifacts) as made:
        made.load.trouble.set()
        for _ in range(LOOKS):
            if fires(made):
                break
            threading.Event().wait(BETWEEN_LOOKS_SECONDS)
        yield made


def fires(platform: Watched) -> set[str]:
    """Alerts that fire for `small`."""
    with urllib.request.urlopen(f"{platform.prometheus}/api/v1/alerts") as answer:  # noqa: S310  of our own
        told = json.load(answer)["data"]["alerts"]
    every = {each["labels"]["alertname"]: each for each in told if each["labels"].get("model") == "small"}
    return {name for name, each in every.items() if each["state"] == "firing"}


@pytest.fixture(scope="module")
def url(platform: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    api = platform.load.platform.url
    with pages(tmp_path_factory.mktemp("pages"), api=api, prometheus=platform.prometheus) as found:
        yield found


def test_what_is_measured_and_what_fires(screen: Page, url: str, platform: Watched) -> None:
    screen.goto(f"{url}/live?use_case=small")
    metric = screen.get_by_test_id("stMetric")
    expect(metric.filter(has_text="Champion")).to_contain_text("version 1", timeout=WAIT_MILLISECONDS)
    for name in fires(platform):
        expect(screen.get_by_text(name, exact=True).first).to_be_visible(timeout=WAIT_MILLISECONDS)
    assert fires(platform)
    for title in (
        "Requests by route, the busiest",
        "Accuracy",
        "Label coverage",
        "Freshness of the pipelines",
    ):
        expect(screen.get_by_text(title, exact=True)).to_be_visible(timeout=WAIT_MILLISECONDS)
    drawn = screen.locator(DRAWN).first
    expect(drawn).to_be_visible(timeout=WAIT_MILLISECONDS)
    expect(screen.get_by_text("FeatureDrift").first).to_be_visible()
    # the picture that is kept is of a page that is drawn wholly
    expect(screen.get_by_test_id("stSkeleton")).to_have_count(0, timeout=WAIT_MILLISECONDS)


def test_the_page_looks_again_by_itself_until_it_is_paused(screen: Page, url: str) -> None:
    screen.goto(f"{url}/live?use_case=small")
    rows = screen.get_by_test_id("stMetric").filter(has_text="Predictions per second")
    expect(rows).to_be_visible(timeout=WAIT_MILLISECONDS)
    first = rows.inner_text()
    expect(rows).not_to_have_text(first, timeout=WAIT_MILLISECONDS)
    screen.get_by_text("Look again every 15 seconds").click()
    toggle = screen.get_by_role("switch", name="Look again every 15 seconds")
    expect(toggle).not_to_be_checked(timeout=WAIT_MILLISECONDS)


def test_without_prometheus_the_server_is_still_told(screen: Page, platform: Watched, tmp_path: Path) -> None:
    with pages(tmp_path, api=platform.load.platform.url) as found:
        screen.goto(f"{found}/live?use_case=three")
        expect(screen.get_by_text("does not answer")).to_be_visible(timeout=WAIT_MILLISECONDS)
        metric = screen.get_by_test_id("stMetric").filter(has_text="Champion")
        expect(metric).to_contain_text("version 1", timeout=WAIT_MILLISECONDS)
        screen.goto("about:blank")  # a page that outlives its server complains
