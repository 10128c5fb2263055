"""The page Predict in a real browser, over a real server with a rain model."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from platforms import Platform

pytestmark = pytest.mark.slow
MODEL = "rain_australia"
NARROW = ViewportSize(width=390, height=844)


@pytest.fixture
def url(rain_pages: str) -> str:
    return f"{rain_pages}/?use_case={MODEL}"


def opened(screen: Page, url: str) -> None:
    screen.goto(url)
    expect(screen.get_by_role("button", name="Predict", exact=True)).to_be_visible()


def fill(screen: Page, label: str, value: str) -> None:
    box = screen.get_by_label(label, exact=True)
    box.fill(value)
    box.press("Tab")


def choose(screen: Page, label: str, value: str) -> None:
    box = screen.get_by_role("combobox", name=label, exact=True)
    box.fill("")
    box.press_sequentially(value.partition(" (")[0])
    screen.get_by_role("option", name=value, exact=True).click()


def metric(screen: Page, label: str) -> str:
    found = screen.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")
    expect(found).to_be_visible()
    return found.inner_text()


def predicted(screen: Page) -> str:
    """Submit the form; the prediction's id."""
    screen.get_by_role("button", name="Predict", exact=True).click()
    # the last that is drawn: whatever is picked before is drawn anew
    expect(screen.get_by_role("slider", name="Read it at")).to_be_visible()
    expect(screen.get_by_text("Probability of Yes over:")).to_be_visible()
    return screen.get_by_test_id("stCode").first.inner_text().strip()


def defaults(rain: Platform) -> dict[str, Any]:
    """The record that the form begins with."""
    schema = rain("GET", f"/models/{MODEL}/schema").document
    return {each["name"]: each["default"] for each in schema["fields"]}


def probability(rain: Platform, record: dict[str, Any]) -> float:
    """What the server itself answers."""
    answer = rain("POST", f"/models/{MODEL}/predict", record)
    assert answer.status == 200, answer.body
    found: float = answer.document["probability"]
    return found


def percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def test_the_form_answers_as_the_server_does(screen: Page, url: str, rain: Platform) -> None:
    opened(screen, url)
    screen.locator('path[aria-label$="Weather station: Darwin"]').click()
    expect(screen.get_by_role("combobox", name="Weather station")).to_have_value("Darwin")
    fill(screen, "Relative humidity at 3pm (%)", "88")
    fill(screen, "Pressure at sea level at 3pm (hPa)", "1003.5")
    fill(screen, "Temperature at 9am (°C)", "")
    choose(screen, "Direction of the wind at 9am", "missing")
    predicted(screen)
    record = defaults(rain) | {
        "location": "Darwin", "humidity_3pm": 88, "pressure_3pm": 1003.5, "temp_9am": None,
        "wind_dir_9am": None,
    }  # fmt: skip
    expected = probability(rain, record)
    assert metric(screen, "Probability of Yes") == percent(expected)
    assert expected != pytest.approx(probability(rain, defaults(rain)), abs=0.001), "it was filled"


def test_the_list_and_the_map_follow_each_other(screen: Page, url: str) -> None:
    opened(screen, url)
    stations = screen.get_by_role("combobox", name="Weather station")
    for place in ("Darwin", "AliceSprings", "Darwin"):
        # the map of the last place may still be going
        screen.locator(f'path[aria-label$="Weather station: {place}"]').last.click()
        expect(stations).to_have_value(place)
    choose(screen, "Weather station", "Hobart")
    expect(screen.get_by_label(re.compile("Hobart is picked")).first).to_be_visible()


def test_the_curve_is_that_of_the_server(screen: Page, url: str, rain: Platform) -> None:
    opened(screen, url)
    predicted(screen)
    choose(screen, "Value that varies", "Relative humidity at 3pm (%)")
    expect(screen.get_by_text("Probability of Yes over: Relative humidity at 3pm (%)")).to_be_visible()
    screen.get_by_role("slider", name="Read it at").press("End")
    asked = {"record": defaults(rain), "field": "humidity_3pm"}
    curve = rain("POST", f"/models/{MODEL}/what-if", asked).document
    last = f"{curve['values'][-1]:g} %"
    assert metric(screen, f"If it were {last}") == percent(curve["scores"][-1])
    assert metric(screen, "As it is") == percent(curve["score"])


def test_a_file_with_a_bad_row(screen: Page, url: str, rain: Platform, tmp_path: Path) -> None:
    opened(screen, url)
    screen.get_by_role("tab", name="A file").click()
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
    assert (metric(screen, "Rows answered"), metric(screen, "Rows refused")) == ("2", "1")
    with screen.expect_download() as answers:
        screen.get_by_role("button", name="Download the rows with their answers").click()
    found = [*csv.DictReader(io.StringIO(Path(answers.value.path()).read_text()))]
    assert [each["humidity_3pm"] for each in found] == [each["humidity_3pm"] for each in rows]
    assert [bool(each["prediction_id"]) for each in found] == [True, False, True]
    assert "humidity_3pm=120" in found[1]["refused"]
    expected = [probability(rain, defaults(rain) | changes) for changes in ({}, {"humidity_3pm": 90})]
    assert [float(found[place]["probability"]) for place in (0, 2)] == pytest.approx(expected)


def test_feedback_reaches_the_server(screen: Page, url: str, rain: Platform) -> None:
    opened(screen, url)
    made = predicted(screen)
    screen.get_by_role("tab", name="What really happened").click()
    expect(screen.get_by_label("Prediction id")).to_have_value(made)
    choose(screen, "What really happened", "No")
    screen.get_by_role("button", name="Tell it").click()
    expect(screen.get_by_text("Taken, as revision 1.")).to_be_visible()
    again = rain("POST", f"/models/{MODEL}/feedback", {"prediction_id": made, "actual": "No"})
    assert again.document == {"prediction_id": made, "status": "known", "revision": 1}


@pytest.mark.parametrize("screen", [NARROW], indirect=True)
def test_a_narrow_screen_in_spanish(screen: Page, url: str) -> None:
    screen.goto(f"{url}&lang=es")
    screen.get_by_role("button", name="Predecir", exact=True).click()
    expect(screen.get_by_text("Qué movió la probabilidad de Sí")).to_be_visible()
    expect(screen.get_by_role("slider", name="Leer en")).to_be_visible()
    assert screen.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_the_form_is_filled_and_sent_by_the_keyboard(screen: Page, url: str, rain: Platform) -> None:
    opened(screen, url)
    stations = screen.get_by_role("combobox", name="Weather station")
    stations.press("ArrowDown")
    stations.fill("Hobart")
    expect(screen.get_by_role("option")).to_have_count(1)
    stations.press("Enter")
    box = screen.get_by_label("Relative humidity at 3pm (%)", exact=True)
    box.fill("20")
    box.press("Enter")
    expect(screen.get_by_text("Prediction id: with it")).to_be_visible()
    assert metric(screen, "Probability of Yes") == percent(
        probability(rain, defaults(rain) | {"location": "Hobart", "humidity_3pm": 20})
    )
