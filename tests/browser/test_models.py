"""The page Models in a real browser, over a real server with API keys and an evaluated challenger."""

import re
import subprocess
from collections.abc import Iterator, Mapping

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from documents import run_script
from model_server import COMMAND, ModelServer, run_model_server, wait_until
from pages_app import run_pages
from servicio_ml import bootstrap
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.settings import Settings

pytestmark = pytest.mark.slow
MODEL = "rain_australia"
NARROW = ViewportSize(width=390, height=844)
WAIT_MILLISECONDS, DEFAULT_MILLISECONDS = 30_000, 5_000
REASON = "![fewer](http://192.0.2.1/x.png) false *alarms*"
TRAIN_COMMANDS = f"""
servicio-ml data sample {MODEL}
servicio-ml etl {MODEL}
servicio-ml train {MODEL} --candidate decision_tree --candidate logistic_regression --trials 1
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An API key of each scope, and the file of the keys."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    made = {
        words[0]: subprocess.run(
            [COMMAND, "key", *words, "--file", str(file)], check=True, capture_output=True, text=True
        ).stdout.strip()
        for words in (["reader"], ["boss", "--admin"])
    }
    return {**made, "file": str(file)}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, keys: Mapping[str, str]) -> Iterator[ModelServer]:
    """A server with a champion, and a challenger that was evaluated and rejected."""
    folder = tmp_path_factory.mktemp("rain")
    done = run_script(TRAIN_COMMANDS, folder)
    assert done.returncode == 0, done.stderr
    _, registry = bootstrap.connect_mlflow(Settings(state_dir=folder / "var"))
    champion = registry.resolve(MODEL, "champion")
    assert champion is not None
    others = [
        each for each in registry.list_versions(MODEL) if each.tags["candidate"] != champion.tags["candidate"]
    ]
    registry.set_alias(MODEL, CHALLENGER, others[0].version)
    evaluation = run_script(f"servicio-ml promote {MODEL}", folder)
    assert "rejected" in evaluation.stdout + evaluation.stderr
    with run_model_server(folder / "var", keys_file=keys["file"]) as made:
        yield made


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    """A busy machine draws the first page in seconds."""
    expect.set_options(timeout=WAIT_MILLISECONDS)
    yield
    expect.set_options(timeout=DEFAULT_MILLISECONDS)


@pytest.fixture(scope="module")
def url(
    platform: ModelServer, keys: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of the page, which has a key of the scope `predict`."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "key").write_text(keys["reader"])
    with run_pages(folder, api=platform.url, api_key_file=folder / "key") as found:
        yield f"{found}/models?use_case={MODEL}"


def fetch_challenger(platform: ModelServer, keys: Mapping[str, str]) -> int:
    answer = platform("GET", f"/models/{MODEL}", headers={"X-API-Key": keys["reader"]})
    [found] = [each["version"] for each in answer.document["versions"] if "challenger" in each["aliases"]]
    return int(found)


def fetch_champion(platform: ModelServer, keys: Mapping[str, str]) -> int:
    answer = platform("GET", f"/models/{MODEL}", headers={"X-API-Key": keys["reader"]})
    champion: int = answer.document["champion"]
    return champion


def open_tab(screen: Page, url: str, tab: str) -> None:
    screen.goto(url)
    chosen = screen.get_by_role("tab", name=tab, exact=True)
    chosen.click()
    expect(chosen).to_have_attribute("aria-selected", "true")


def type_key(screen: Page, key: str) -> None:
    box = screen.get_by_label("API key", exact=True)
    box.fill(key)
    box.press("Enter")


def decide(screen: Page, opener: re.Pattern[str], action: str) -> None:
    """Open a dialog, give a reason and confirm."""
    screen.get_by_role("button", name=opener).click()
    dialog = screen.get_by_role("dialog")
    expect(dialog).to_contain_text(f"of {MODEL} becomes champion instead of version")
    box = dialog.get_by_label("Reason")
    box.fill(REASON)
    box.press("Control+Enter")
    dialog.get_by_role("button", name=action, exact=True).click()


def expect_champion(screen: Page, version: int) -> None:
    value = screen.get_by_test_id("stMetricValue").first
    expect(value).to_have_text(re.compile(rf"^{version} · "))


def test_champion_and_challenger_with_the_evaluation(screen: Page, url: str, platform: ModelServer) -> None:
    del platform
    screen.goto(url)
    expect(screen.get_by_text("Latest evaluation")).to_be_visible()
    expect(screen.get_by_text(re.compile("Rejected: version"))).to_be_visible()
    expect(screen.get_by_test_id("stVegaLiteChart").first).to_be_visible()
    expect(screen.get_by_role("table").first).to_contain_text("Not worse than the champion")


def test_plots_are_those_of_mlflow(screen: Page, url: str) -> None:
    open_tab(screen, url, "Plots")
    picture = screen.get_by_role("img", name=re.compile("Feature importance of version"))
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", 770)


def test_a_reader_cannot_promote(
    screen: Page, url: str, platform: ModelServer, keys: Mapping[str, str]
) -> None:
    before = fetch_champion(platform, keys)
    open_tab(screen, url, "Administration")
    decide(screen, re.compile(r"^Promote version"), "Promote")
    expect(screen.get_by_role("dialog")).to_contain_text("This API key lacks the scope")
    assert fetch_champion(platform, keys) == before


def test_a_wrong_key_is_reported(screen: Page, url: str) -> None:
    open_tab(screen, url, "Administration")
    type_key(screen, "guessed")
    expect(screen.get_by_text("The server does not know this API key.").first).to_be_visible()


def test_promote_and_roll_back(
    screen: Page, url: str, platform: ModelServer, keys: Mapping[str, str]
) -> None:
    before = fetch_champion(platform, keys)
    other = fetch_challenger(platform, keys)
    open_tab(screen, url, "Administration")
    type_key(screen, keys["boss"])
    decide(screen, re.compile(rf"^Promote version {other}"), "Promote")
    expect(screen.get_by_text(f"Version {other} of {MODEL} is champion.")).to_be_visible()
    expect_champion(screen, other)
    wait_until("every process has it", lambda: {fetch_champion(platform, keys) for _ in range(10)} == {other})

    decide(screen, re.compile(rf"^Roll back to version {before}"), "Roll back")
    expect(screen.get_by_text(f"Version {before} of {MODEL} is champion.")).to_be_visible()
    expect_champion(screen, before)
    wait_until(
        "every process has it", lambda: {fetch_champion(platform, keys) for _ in range(10)} == {before}
    )

    answer = platform("GET", f"/models/{MODEL}/history", headers={"X-API-Key": keys["reader"]})
    newest = answer.document["decisions"][:2]
    assert [(each["decision"], each["version"], each["by"], each["reason"]) for each in newest] == [
        ("rolled back", before, "boss", REASON),
        ("promoted", other, "boss", REASON),
    ]
    screen.get_by_role("tab", name="History", exact=True).click()
    expect(screen.get_by_text("Champions over time")).to_be_visible()


@pytest.mark.parametrize("screen", [NARROW], indirect=True)
def test_the_history_of_champions_on_a_narrow_screen_in_spanish(screen: Page, url: str) -> None:
    open_tab(screen, f"{url}&lang=es", "Historial")
    expect(screen.get_by_text("Campeones a lo largo del tiempo")).to_be_visible()
    width = screen.evaluate("document.documentElement.scrollWidth")
    assert width <= NARROW["width"]
