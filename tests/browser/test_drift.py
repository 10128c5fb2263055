"""The page Drift in a real browser, over a real server whose rows have drifted."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from model_server import ModelServer, ModelShelf, run_model_server
from pages_app import run_pages
from servicio_ml.domain.use_case import Task
from servicio_ml.lifecycle.reports import LatestReport, build_latest_key
from small_use_case import generate_rows

pytestmark = pytest.mark.slow
NARROW = ViewportSize(width=390, height=844)
ROWS = 400
DRAWN = "[data-testid=stVegaLiteChart] :is(canvas, svg)"
WAIT_MILLISECONDS = 60_000
REPORT = "<h1>Report of a test</h1><script>document.body.dataset.ran = String(window.origin)</script>"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> Iterator[ModelServer]:
    shelf = ModelShelf(tmp_path_factory.mktemp("state"))
    for model in ("small", "quiet"):
        shelf.add(model, artifact_folder)
    with run_model_server(shelf.state, workers=1, default_model="small") as made:
        records = generate_rows(Task.BINARY, ROWS, 3).drop("outcome").to_dicts()
        for each in records:
            each["day"], each["size"] = str(each["day"])[:10], None
        answer = made("POST", "/models/small/predict/batch", {"records": records})
        assert answer.status == 200, answer.body
        yield made


@pytest.fixture(scope="module")
def url(platform: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_pages(tmp_path_factory.mktemp("pages"), api=platform.url) as found:
        yield found


def test_the_picked_column_beside_its_reference(screen: Page, url: str, platform: ModelServer) -> None:
    screen.goto(f"{url}/drift?use_case=small")
    state = platform("GET", "/models/small/drift?window=24h").document
    size = next(each for each in state["features"] if each["name"] == "size")
    assert size["drifted"]
    metric = screen.get_by_test_id("stMetric")
    expect(metric.filter(has_text="Rows in the window")).to_contain_text(str(ROWS), timeout=WAIT_MILLISECONDS)
    expect(metric.filter(has_text="Population stability index (PSI)")).to_contain_text(f"{size['psi']:.3f}")
    expect(metric.filter(has_text="Missing")).to_contain_text("100.0 %")
    expect(screen.locator("[data-testid=stVegaLiteChart]")).to_have_count(2, timeout=WAIT_MILLISECONDS)


def test_a_window_without_rows(screen: Page, url: str) -> None:
    screen.goto(f"{url}/drift?use_case=quiet")
    expect(screen.get_by_text("has scored no rows in this window")).to_be_visible(timeout=WAIT_MILLISECONDS)
    expect(screen.get_by_text("servicio-ml report quiet")).to_be_visible(timeout=WAIT_MILLISECONDS)


@pytest.mark.parametrize("screen", [NARROW], indirect=True)
def test_a_narrow_screen_in_spanish(screen: Page, url: str) -> None:
    screen.goto(f"{url}/drift?use_case=small&lang=es")
    expect(screen.get_by_text("Deriva por columna")).to_be_visible(timeout=WAIT_MILLISECONDS)
    expect(screen.locator(DRAWN).first).to_be_visible(timeout=WAIT_MILLISECONDS)
    assert screen.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_the_report_is_embedded_without_an_origin(
    screen: Page, url: str, platform: ModelServer, tmp_path: Path
) -> None:
    pointer = LatestReport.build("small", 1, 0.0)
    state = platform("GET", "/models/small/drift?window=24h").document
    summary = {**state, "verdict": "drift"}
    files = {pointer.html: REPORT, pointer.json: summary, build_latest_key("small"): pointer.to_json()}
    for key, content in files.items():
        place = platform.state / "lake" / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content if isinstance(content, str) else json.dumps(content))
    screen.goto(f"{url}/drift?use_case=small")
    expect(screen.get_by_text("Drift without a loss of performance.")).to_be_visible(
        timeout=WAIT_MILLISECONDS
    )
    assert screen.locator("iframe").count() == 0
    screen.get_by_text("Show the report").click()
    inner = screen.frame_locator("iframe").first.frame_locator("iframe")
    expect(inner.get_by_role("heading", name="Report of a test")).to_be_visible(timeout=WAIT_MILLISECONDS)
    expect(inner.locator("body")).to_have_attribute("data-ran", "null")
    with screen.expect_download() as waiting:
        screen.get_by_role("button", name="Download the report").click()
    saved = tmp_path / "report.html"
    waiting.value.save_as(saved)
    assert saved.read_text() == REPORT
