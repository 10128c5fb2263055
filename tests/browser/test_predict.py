"""The page Predict in a real browser, over a real server with a rain model."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from model_server import ModelServer

pytestmark = pytest.mark.slow
MODEL = "rain_australia"
SUBMIT = re.compile("^(Predict|Predecir)\\b")
"""Name of the button that submits the form; the browser appends its keyboard shortcut."""
NARROW = ViewportSize(width=390, height=844)


@pytest.fixture
def url(rain_pages: str) -> str:
    return f"{rain_pages}/predict?use_case={MODEL}"


def open_page(screen: Page, url: str) -> None:
    screen.goto(url)
    expect(screen.get_by_role("button", name=SUBMIT)).to_be_visible()


def fill(screen: Page, label: str, value: str) -> None:
    box = screen.get_by_label(label, exact=True)
    box.fill(value)
    box.press("Tab")


def choose(screen: Page, label: str, value: str) -> None:
    box = screen.get_by_role("combobox", name=label, exact=True)
    box.fill("")
    box.press_sequentially(value.partition(" (")[0])
    screen.get_by_role("option", name=value, exact=True).click()


def read_metric(screen: Page, label: str) -> str:
    found = screen.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")
    expect(found).to_be_visible()
    return found.inner_text()


def submit_form(screen: Page) -> str:
    """Submit the form; return the id of the prediction."""
    screen.get_by_role("button", name=SUBMIT).click()
    # the slider and the curve are drawn last
    expect(screen.get_by_role("slider", name="Other value")).to_be_visible()
    expect(screen.get_by_text("Probability of Yes by")).to_be_visible()
    return screen.get_by_test_id("stCode").first.inner_text().strip()


def fetch_defaults(rain: ModelServer) -> dict[str, Any]:
    """Fetch the default record of the form."""
    schema = rain("GET", f"/models/{MODEL}/schema").document
    return {each["name"]: each["default"] for each in schema["fields"]}


def fetch_probability(rain: ModelServer, record: dict[str, Any]) -> float:
    """Predict a record on the server; return the probability."""
    answer = rain("POST", f"/models/{MODEL}/predict", record)
    assert answer.status == 200, answer.body
    found: float = answer.document["probability"]
    return found


def format_percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def test_the_form_answers_as_the_server_does(screen: Page, url: str, rain: ModelServer) -> None:
    open_page(screen, url)
    screen.locator('path[aria-label$="Weather station: Darwin"]').click()
    expect(screen.get_by_role("combobox", name="Weather station")).to_have_value("Darwin")
    fill(screen, "Relative humidity at 3pm (%)", "88")
    fill(screen, "Pressure at sea level at 3pm (hPa)", "1003.5")
    fill(screen, "Temperature at 9am (°C)", "")
    choose(screen, "Wind direction at 9am", "missing")
    submit_form(screen)
    record = fetch_defaults(rain) | {
        "location": "Darwin", "humidity_3pm": 88, "pressure_3pm": 1003.5, "temp_9am": None,
        "wind_dir_9am": None,
    }  # fmt: skip
    expected = fetch_probability(rain, record)
    assert read_metric(screen, "Probability of Yes") == format_percent(expected)
    assert expected != pytest.approx(fetch_probability(rain, fetch_defaults(rain)), abs=0.001), (
        "it was filled"
    )


def test_the_list_and_the_map_follow_each_other(screen: Page, url: str) -> None:
    open_page(screen, url)
    stations = screen.get_by_role("combobox", name="Weather station")
    for place in ("Darwin", "AliceSprings", "Darwin"):
        # the map of the previous location may still be visible
        screen.locator(f'path[aria-label$="Weather station: {place}"]').last.click()
        expect(stations).to_have_value(place)
    choose(screen, "Weather station", "Hobart")
    expect(screen.get_by_label(re.compile("Selected: Hobart")).first).to_be_visible()


def test_the_curve_is_that_of_the_server(screen: Page, url: str, rain: ModelServer) -> None:
    open_page(screen, url)
    submit_form(screen)
    choose(screen, "Field to vary", "Relative humidity at 3pm (%)")
    expect(screen.get_by_text("Probability of Yes by Relative humidity at 3pm (%)")).to_be_visible()
    screen.get_by_role("slider", name="Other value").press("End")
    body = {"record": fetch_defaults(rain), "field": "humidity_3pm"}
    curve = rain("POST", f"/models/{MODEL}/what-if", body).document
    last = f"{curve['values'][-1]:g} %"
    assert read_metric(screen, f"Other value: {last}") == format_percent(curve["scores"][-1])
    assert read_metric(screen, "Present value") == format_percent(curve["score"])


def test_a_file_with_a_bad_row(screen: Page, url: str, rain: ModelServer, tmp_path: Path) -> None:
    open_page(screen, url)
    screen.get_by_role("tab", name="File", exact=True).click()
    with screen.expect_download() as template:
        screen.get_by_role("button", name="Template").click()
    [row] = csv.DictReader(io.StringIO(Path(template.value.path()).read_text()))
    rows = [row, row | {"humidity_3pm": "120"}, row | {"humidity_3pm": "90"}]
    file = tmp_path / "rain.csv"
    with file.open("w", newline="", encoding="utf-8-sig") as out:
        writer = csv.DictWriter(out, row, delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    screen.locator('input[type="file"]').set_input_files(file)
    screen.get_by_role("button", name="Score 3 rows").click()
    assert (read_metric(screen, "Rows scored"), read_metric(screen, "Rows refused")) == ("2", "1")
    with screen.expect_download() as answers:
        screen.get_by_role("button", name="Download the rows with their predictions").click()
    found = [*csv.DictReader(io.StringIO(Path(answers.value.path()).read_text()))]
    assert [each["humidity_3pm"] for each in found] == [each["humidity_3pm"] for each in rows]
    assert [bool(each["prediction_id"]) for each in found] == [True, False, True]
    assert "humidity_3pm=120" in found[1]["refused"]
    expected = [
        fetch_probability(rain, fetch_defaults(rain) | changes) for changes in ({}, {"humidity_3pm": 90})
    ]
    assert [float(found[place]["probability"]) for place in (0, 2)] == pytest.approx(expected)


def test_feedback_reaches_the_server(screen: Page, url: str, rain: ModelServer) -> None:
    open_page(screen, url)
    made = submit_form(screen)
    screen.get_by_role("tab", name="Ground truth").click()
    expect(screen.get_by_label("Prediction id")).to_have_value(made)
    choose(screen, "Actual value", "No")
    screen.get_by_role("button", name="Send").click()
    expect(screen.get_by_text("Stored as revision 1.")).to_be_visible()
    again = rain("POST", f"/models/{MODEL}/feedback", {"prediction_id": made, "actual": "No"})
    receipt = {"prediction_id": made, "identifier": None, "status": "known", "revision": 1}
    assert again.document == receipt


@pytest.mark.parametrize("screen", [NARROW], indirect=True)
def test_a_narrow_screen_in_spanish(screen: Page, url: str) -> None:
    screen.goto(f"{url}&lang=es")
    screen.get_by_role("button", name=SUBMIT).click()
    expect(screen.get_by_text("Contribuciones a la probabilidad de Sí")).to_be_visible()
    expect(screen.get_by_role("slider", name="Otro valor")).to_be_visible()
    assert screen.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_the_form_is_filled_and_sent_by_the_keyboard(screen: Page, url: str, rain: ModelServer) -> None:
    open_page(screen, url)
    stations = screen.get_by_role("combobox", name="Weather station")
    stations.press("ArrowDown")
    stations.fill("Hobart")
    expect(screen.get_by_role("option")).to_have_count(1)
    stations.press("Enter")
    box = screen.get_by_label("Relative humidity at 3pm (%)", exact=True)
    box.fill("20")
    box.press("Control+Enter")
    expect(screen.get_by_text("Prediction id, with which")).to_be_visible()
    assert read_metric(screen, "Probability of Yes") == format_percent(
        fetch_probability(rain, fetch_defaults(rain) | {"location": "Hobart", "humidity_3pm": 20})
    )
