"""The tab Rollout of the page Models in a real browser, over a real server with a challenger."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from model_server import ModelServer, ModelShelf, run_model_server, wait_until
from pages_app import run_pages
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.domain.use_case import Task
from small_use_case import generate_rows

pytestmark = pytest.mark.slow
PATH = "/models/small/rollout"
NARROW = ViewportSize(width=390, height=844)
ROWS = 500


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> Iterator[ModelServer]:
    """A server with a champion, and a challenger that is the same model."""
    state = tmp_path_factory.mktemp("state")
    shelf = ModelShelf(state)
    shelf.add("small", artifact_folder)
    shelf.add("small", artifact_folder, CHALLENGER)
    with run_model_server(state, workers=1) as made:
        yield made


@pytest.fixture(scope="module")
def url(platform: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_pages(tmp_path_factory.mktemp("pages"), api=platform.url) as found:
        yield f"{found}/models?use_case=small"


def open_tab(screen: Page, url: str, tab: str = "Rollout") -> None:
    screen.goto(url)
    chosen = screen.get_by_role("tab", name=tab, exact=True)
    chosen.click()
    expect(chosen).to_have_attribute("aria-selected", "true")


def confirm_action(screen: Page, action: str, reason: str = "") -> None:
    """Open the dialog of an action, give a reason and confirm."""
    screen.get_by_role("button", name=re.compile(rf"^{action}.*…$")).click()
    dialog = screen.get_by_role("dialog")
    if reason:
        box = dialog.get_by_label("Reason")
        box.fill(reason)
        box.press("Control+Enter")
    dialog.get_by_role("button", name=action, exact=True).click()
    expect(dialog).to_be_hidden()


def send_rows(platform: ModelServer, seed: int) -> None:
    records = generate_rows(Task.BINARY, ROWS, seed=seed).drop("outcome").to_dicts()
    made = [{**each, "day": str(each["day"])[:10]} for each in records]
    answer = platform("POST", "/models/small/predict/batch", {"records": made})
    assert answer.status == 200, answer.body


def test_a_rollout_is_started_paused_resumed_and_aborted(
    screen: Page, url: str, platform: ModelServer
) -> None:
    open_tab(screen, url)
    expect(screen.get_by_text("There has been no rollout.")).to_be_visible()
    confirm_action(screen, "Start")
    expect(screen.get_by_text("The rollout of version 2 has started.")).to_be_visible()
    expect(screen.get_by_text("Rollout of version 2: ramping.")).to_be_visible()
    confirm_action(screen, "Pause", "lunch")
    expect(screen.get_by_text("The rollout is paused.")).to_be_visible()
    confirm_action(screen, "Resume")
    expect(screen.get_by_text("The rollout goes on.")).to_be_visible()
    confirm_action(screen, "Abort", "it is late")
    expect(screen.get_by_text("The rollout has ended.")).to_be_visible()
    rollout = platform("GET", PATH).document
    assert [each["state"] for each in rollout["events"]] == ["ramping", "paused", "ramping", "aborted"]
    assert rollout["events"][-1]["reason"] == "aborted: it is late"


@pytest.fixture(scope="module")
def ramping(platform: ModelServer) -> Iterator[None]:
    """A rollout with evidence on its guardrails."""
    ramp = {"shadow": 1.0, "steps": [0.05, 0.5, 1.0], "needs_labels": False, "max_latency_growth": 3.0}
    answer = platform("POST", PATH, {"ramp": ramp})
    assert answer.status == 200, answer.body
    seeds = iter(range(1, 1000))

    def is_judged() -> bool:
        send_rows(platform, next(seeds))
        found = platform("GET", PATH).document["findings"]
        return {each["guardrail"] for each in found if each["rows"]} >= {"failures", "shift", "latency"}

    wait_until("the guardrails have been judged", is_judged)
    yield
    platform("POST", f"{PATH}/abort")


@pytest.mark.usefixtures("ramping")
def test_guardrails_and_events_are_shown(screen: Page, url: str) -> None:
    open_tab(screen, url)
    table = screen.get_by_role("table")
    expect(table).to_contain_text("Rows that the challenger failed to score")
    expect(table).to_contain_text("0.00 %")
    expect(screen.get_by_text(re.compile("→ 50 % → 100 % → watch period"))).to_be_visible()
    expect(screen.get_by_text("Events", exact=True)).to_be_visible()


@pytest.mark.parametrize("screen", [NARROW], indirect=True)
@pytest.mark.usefixtures("ramping")
def test_a_narrow_screen_in_spanish(screen: Page, url: str) -> None:
    open_tab(screen, f"{url}&lang=es", "Despliegue")
    expect(screen.get_by_role("table")).to_contain_text("Filas que el aspirante no pudo evaluar")
    assert screen.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
