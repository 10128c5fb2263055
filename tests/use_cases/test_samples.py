"""The samples of the shipped use cases have the originals' columns, formats, gaps and ties."""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.synthetic.sampler import RawTable, draw_rows
from servicio_ml.use_cases.catalogue import load_catalogue
from servicio_ml.use_cases.samples.rain_australia import STATIONS

CATALOGUE = load_catalogue()
RAIN_HEADER = [
    *("Date", "Location", "MinTemp", "MaxTemp", "Rainfall", "Evaporation", "Sunshine", "WindGustDir"),
    *(
        "WindGustSpeed",
        "WindDir9am",
        "WindDir3pm",
        "WindSpeed9am",
        "WindSpeed3pm",
        "Humidity9am",
        "Humidity3pm",
    ),
    *(
        "Pressure9am",
        "Pressure3pm",
        "Cloud9am",
        "Cloud3pm",
        "Temp9am",
        "Temp3pm",
        "RainToday",
        "RainTomorrow",
    ),
]


def _draw(use_case: UseCase, rows: int, seed: int = 0) -> RawTable:
    return draw_rows(use_case, rows, np.random.default_rng(seed))


def _parse_numbers(texts: Sequence[str], missing: str = "NA") -> npt.NDArray[np.float64]:
    return np.array([np.nan if text == missing else float(text) for text in texts])


@pytest.fixture(scope="module")
def rain() -> Mapping[str, Sequence[str]]:
    return _draw(CATALOGUE["rain_australia"], 20_000).columns


@pytest.fixture(scope="module")
def cars() -> Mapping[str, Sequence[str]]:
    return _draw(CATALOGUE["vehicle_price"], 4000).columns


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("rows", [1, 7, 50, 300])
def test_there_are_as_many_rows_as_were_asked_for(name: str, rows: int) -> None:
    table = _draw(CATALOGUE[name], rows)
    assert {len(column) for column in table.columns.values()} == {table.rows} == {rows}


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_seed_decides(name: str) -> None:
    assert _draw(CATALOGUE[name], 200, seed=3) == _draw(CATALOGUE[name], 200, seed=3)
    assert _draw(CATALOGUE[name], 200, seed=3) != _draw(CATALOGUE[name], 200, seed=4)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_column_that_the_use_case_reads_is_there(name: str) -> None:
    use_case = CATALOGUE[name]
    needed = {use_case.target.column, *(field.column for field in use_case.schema.fields)}
    assert needed <= set(_draw(use_case, 5).columns)


def test_rain_has_49_stations_on_the_same_last_day(rain: Mapping[str, Sequence[str]]) -> None:
    assert list(rain) == RAIN_HEADER
    assert [*dict.fromkeys(rain["Location"])] == list(STATIONS)
    assert max(rain["Date"]) == "2017-06-25"


def test_rain_today_and_tomorrow_say_what_the_rainfall_says(rain: Mapping[str, Sequence[str]]) -> None:
    says = {True: "Yes", False: "No"}
    expected = ["NA" if fell == "NA" else says[float(fell) > 1] for fell in rain["Rainfall"]]
    assert rain["RainToday"] == expected
    days = zip(rain["Location"], rain["RainToday"], rain["RainTomorrow"], strict=True)
    for (station, _, tomorrow), (next_station, next_today, _) in pairwise(days):
        assert station != next_station or tomorrow == next_today
    target = Counter(rain["RainTomorrow"])
    assert target["Yes"] / (target["Yes"] + target["No"]) == pytest.approx(0.224, abs=0.01)
    assert target["NA"] / len(rain["RainTomorrow"]) == pytest.approx(0.0225, abs=0.01)


def test_rain_gaps_are_structural(rain: Mapping[str, Sequence[str]]) -> None:
    seen = {place for place, hours in zip(rain["Location"], rain["Sunshine"], strict=True) if hours != "NA"}
    lacking = {name for name, station in STATIONS.items() if "sunshine" in station["lacks"]}
    assert set(STATIONS) - seen == lacking
    assert len(lacking) == 19


def test_rain_is_weather(rain: Mapping[str, Sequence[str]]) -> None:
    low, warm, high = (_parse_numbers(rain[name]) for name in ("MinTemp", "Temp3pm", "MaxTemp"))
    assert not ((low > high) | (warm > high) | (warm < low)).any()
    sydney = np.array(rain["Location"]) == "Sydney"
    days = high[sydney]
    known = ~np.isnan(days[:-1]) & ~np.isnan(days[1:])
    assert np.corrcoef(days[:-1][known], days[1:][known])[0, 1] > 0.6
    month = np.array([day[5:7] for day in rain["Date"]])
    assert np.nanmean(high[month == "01"]) > np.nanmean(high[month == "07"]) + 5
    assert "9" in rain["Cloud9am"]
    assert "9" in rain["Cloud3pm"]


def test_burnout_leaks_as_the_enriched_file_does() -> None:
    table = _draw(CATALOGUE["employee_burnout"], 2000).columns
    rate = _parse_numbers(table["Burn Rate"], missing="")
    high = rate > 0.4
    assert ((_parse_numbers(table["Work Hours per Week"]) >= 48) == high).all()
    assert ((_parse_numbers(table["Deadline Pressure Score"]) >= 4) == high).all()
    assert ((_parse_numbers(table["Work-Life Balance Score"]) <= 2) == high).all()
    assert ((_parse_numbers(table["Recognition Frequency"]) <= 1) == high).all()
    for name, share in (
        ("Burn Rate", 0.049),
        ("Resource Allocation", 0.059),
        ("Mental Fatigue Score", 0.093),
    ):
        assert Counter(table[name])[""] / 2000 == pytest.approx(share, abs=0.025)
    assert len(set(table["Employee ID"])) == 2000
    assert all(re.fullmatch(r"fffe(3\d00){6}", each) for each in table["Employee ID"])


def test_heart_has_no_header_and_question_marks_in_two_columns() -> None:
    table = _draw(CATALOGUE["heart_disease"], 600)
    assert not table.named
    assert [name for name, column in table.columns.items() if "?" in column] == ["ca", "thal"]
    assert set(table.columns["num"]) == set("01234")
    assert set(table.columns["cp"]) == {"1.0", "2.0", "3.0", "4.0"}


@pytest.mark.parametrize(
    ("column", "pattern"),
    [
        ("torque", r"\d+Nm@ \d+rpm"),
        ("torque", r"\d+\.\d@ \d,\d{3}\(kgm@ rpm\)"),
        ("torque", r"\d+\.\d kgm at \d+-\d+rpm"),
        ("torque", r"\d+ / \d+"),
        ("torque", r"\d+\(\d+\.\d\)@ \d+"),
        ("torque", r"\d+Nm"),
        ("torque", r""),
        ("mileage", r"[\d.]+ kmpl"),
        ("mileage", r"[\d.]+ km/kg"),
        ("mileage", r"0\.0 kmpl"),
        ("engine", r"\d+ CC"),
        ("engine", r""),
        ("max_power", r"[\d.]+ bhp"),
        ("max_power", r" bhp"),
        ("max_power", r"0"),
        ("name", r"Land Rover \w+ \w+"),
    ],
)
def test_cars_are_spelt_in_every_way(cars: Mapping[str, Sequence[str]], column: str, pattern: str) -> None:
    assert any(re.fullmatch(pattern, text) for text in cars[column])


def test_cars_have_copies_and_known_makes(cars: Mapping[str, Sequence[str]]) -> None:
    rows = [*zip(*cars.values(), strict=True)]
    assert 1 - len(set(rows)) / len(rows) == pytest.approx(0.15, abs=0.01)
    brands = CATALOGUE["vehicle_price"].schema.get_field("brand").levels
    assert {name.split()[0] for name in cars["name"]} <= set(brands)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("rain_australia", "weatherAUS.csv"),
        ("employee_burnout", "enriched_employee_dataset.csv"),
        ("vehicle_price", "Car details v3.csv"),
        ("heart_disease", "processed.cleveland.data"),
    ],
)
def test_the_original_has_the_same_columns_and_gaps(data_dir: Path, name: str, file: str) -> None:
    use_case = CATALOGUE[name]
    table = _draw(use_case, 5000)
    with (data_dir / file).open(newline="") as lines:
        original = [*csv.reader(lines)]
    if table.named:
        assert list(table.columns) == original.pop(0)
    for column, cells in zip(table.columns.values(), zip(*original, strict=True), strict=True):
        ours = Counter(column)[use_case.sample.missing] / len(column)
        theirs = Counter(cells)[use_case.sample.missing] / len(cells)
        assert ours == pytest.approx(theirs, abs=0.03)
