"""Which use cases are trained, and on which data."""

from pathlib import Path

import pytest

from deploy.embedded import prepare, settings
from deploy.embedded.settings import PlatformSetup
from model_server import ModelShelf
from servicio_ml.errors import UseCaseError
from servicio_ml.use_cases.catalogue import find, load_catalogue

RAIN = find("rain_australia")


def _read_original(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("Date,Location\n")
    return folder / name


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FETCH_SECONDS", "0")
    monkeypatch.setattr(prepare, "NEIGHBOUR", tmp_path / "neighbour")


def test_the_named_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICIO_ML_DATA_DIR", str(tmp_path / "mine"))
    mine = _read_original(tmp_path / "mine", RAIN.origin.file)
    _read_original(tmp_path / "neighbour", RAIN.origin.file)
    assert prepare.find_data(settings.read_setup(), RAIN) == mine


def test_then_the_folder_beside_the_repository(
    setup: PlatformSetup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = _read_original(tmp_path / "neighbour", RAIN.origin.file)
    _read_original(setup.paths.state / "data" / RAIN.name, RAIN.origin.file)
    assert prepare.find_data(setup, RAIN) == beside
    assert "rain_australia: data: the original, beside the repository" in capsys.readouterr().out


def test_an_original_may_bear_a_name_that_says_more(setup: PlatformSetup, tmp_path: Path) -> None:
    beside = _read_original(tmp_path / "neighbour", "employee_burnout_train.csv")
    assert prepare.find_data(setup, find("employee_burnout")) == beside


def test_then_what_was_fetched_before(setup: PlatformSetup) -> None:
    fetched = _read_original(setup.paths.state / "data" / RAIN.name, RAIN.origin.file)
    _read_original(setup.paths.state / "data" / RAIN.name, "sample.csv")
    assert prepare.find_data(setup, RAIN) == fetched


def test_synthetic_rows_are_the_last_resort(setup: PlatformSetup, capsys: pytest.CaptureFixture[str]) -> None:
    sample = _read_original(setup.paths.state / "data" / RAIN.name, "sample.csv")
    assert prepare.find_data(setup, RAIN) == sample
    assert "synthetic rows" in capsys.readouterr().out


@pytest.mark.slow
def test_they_are_made_where_there_are_none(setup: PlatformSetup) -> None:
    found = prepare.find_data(setup, find("heart_disease"))
    assert found.is_relative_to(setup.paths.state)
    assert len(found.read_text().splitlines()) > 100


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("", ["rain_australia"]),
        ("heart_disease, vehicle_price", ["heart_disease", "vehicle_price"]),
        ("all", list(load_catalogue())),
    ],
)
def test_use_cases_are_named(given: str, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_CASES", given)
    assert [each.name for each in prepare.list_wanted(settings.read_setup())] == names


def test_an_unknown_use_case_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_CASES", "weather")
    with pytest.raises(UseCaseError, match="known are"):
        prepare.list_wanted(settings.read_setup())


@pytest.mark.slow
def test_a_use_case_without_a_champion_is_found(setup: PlatformSetup, artifact_folder: Path) -> None:
    heart = find("heart_disease")
    assert prepare.list_without_champion(setup, [RAIN, heart]) == [RAIN, heart]
    ModelShelf(setup.paths.state).add(heart.name, artifact_folder)
    assert prepare.list_without_champion(setup, [RAIN, heart]) == [RAIN]
