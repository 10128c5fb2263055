"""`servicio-ml data`: what a user types, what is printed, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from messy_files import write_rows
from servicio_ml.adapters.raw_data import publishers as origins
from servicio_ml.cli.data import app
from servicio_ml.errors import SourceError
from servicio_ml.use_cases.catalogue import load_catalogue

OWN = """
from dataclasses import replace
from servicio_ml.domain.sample import SyntheticSample
from servicio_ml.use_cases.heart_disease import USE_CASE as HEART
USE_CASE = replace(HEART, name="my_hearts", sample=SyntheticSample(rows=40))
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that keeps everything; nothing else of the machine is seen."""
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("SERVICIO_ML_DATA_DIR", raising=False)
    monkeypatch.delenv("SERVICIO_ML_USE_CASES_DIR", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "state"


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _read_document(*words: object) -> dict[str, Any]:
    result = _run(*words, "--json")
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@pytest.mark.parametrize("name", load_catalogue())
def test_a_sample_can_be_described_at_once(state: Path, name: str) -> None:
    written = _read_document("sample", name, "--rows", 400)
    assert written["path"] == str(state / "data" / name / "sample.csv")
    described = _read_document("describe", name)
    assert (described["source"], described["rows"]) == (written["path"], 400)
    assert sum(described["status_counts"].values()) == 400
    assert described["status_counts"]["kept"] > 300


def test_the_same_seed_gives_the_same_bytes(state: Path, tmp_path: Path) -> None:
    assert not state.exists()
    contents = []
    for seed in (1, 1, 2):
        target = tmp_path / "out.csv"
        assert (
            _run("sample", "rain_australia", "--rows", 100, "--seed", seed, "--output", target).exit_code == 0
        )
        contents.append(target.read_bytes())
    assert contents[0] == contents[1] != contents[2]


def test_without_rows_the_use_case_decides(state: Path) -> None:
    document = _read_document("sample", "heart_disease")
    assert document == {
        "use_case": "heart_disease",
        "path": str(state / "data" / "heart_disease" / "sample.csv"),
        "rows": 600,
        "seed": 0,
    }
    assert len(Path(document["path"]).read_text().splitlines()) == 600


def test_a_users_own_use_case_has_a_sample(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_hearts.py").write_text(OWN)
    monkeypatch.setenv("SERVICIO_ML_USE_CASES_DIR", str(tmp_path))
    assert _run("sample", "my_hearts").exit_code == 0
    described = _read_document("describe", "my_hearts")
    assert described["source"] == str(state / "data" / "my_hearts" / "sample.csv")
    assert described["status_counts"]["kept"] == 40


def test_people_read_a_table(state: Path) -> None:
    assert _run("sample", "vehicle_price").exit_code == 0
    shown = _run("describe", "vehicle_price").stdout
    assert str(state) in shown
    assert "4000 rows: 3393 kept, 7 quarantined, 600 duplicate" in shown
    assert "quarantined since: torque: " in shown
    row = next(line for line in shown.splitlines() if "fuel" in line)
    assert "category" in row
    assert "Diesel (54%)" in row


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["sample", "rain"], 1, "unknown use case 'rain'"),
        (["fetch", "rain"], 1, "unknown use case 'rain'"),
        (["describe", "rain"], 1, "unknown use case 'rain'"),
        (["sample", "heart_disease", "--rows", "0"], 2, "'--rows'"),
        (["sample", "heart_disease", "--rows", "-5"], 2, "'--rows'"),
        (["sample", "heart_disease", "--rows", "many"], 2, "'--rows'"),
        (["sample", "heart_disease", "--seed", "-1"], 2, "'--seed'"),
        (["fetch", "heart_disease", "--timeout", "0"], 2, "'--timeout'"),
        (["sample", "heart_disease", "--output", "/dev/null/out.csv"], 1, "cannot write /dev/null/out.csv"),
        (["describe", "heart_disease"], 1, "cannot read heart_disease: none of"),
        (["describe", "heart_disease", "--source", "lost.csv"], 1, "cannot read lost.csv"),
        (["describe", "heart_disease", "--source", "ftp://x/y.csv"], 1, "cannot read ftp://x/y.csv"),
    ],
)
def test_bad_input_ends_with_one_message(words: list[str], code: int, message: str) -> None:
    result = _run(*words)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_what_was_fetched_is_described_and_its_licence_shown(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run("sample", "heart_disease", "--rows", 30, "--output", tmp_path / "published").exit_code == 0
    monkeypatch.setattr(origins, "_download_uci", lambda _: _Table(tmp_path / "published"))
    fetched = _read_document("fetch", "heart_disease")
    assert fetched["path"] == str(state / "data" / "heart_disease" / "processed.cleveland.data")
    assert (fetched["bytes"], fetched["licence"]) == (Path(fetched["path"]).stat().st_size, "CC BY 4.0")
    assert _read_document("describe", "heart_disease")["source"] == fetched["path"]


class _Table:
    """A published table, as far as the adapter uses it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def to_csv(self, target: Path, *, index: bool) -> None:
        assert not index
        target.write_bytes(self._path.read_bytes())


def test_offline_it_says_what_to_do(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_unreachable(_: object) -> None:
        raise ConnectionError("Error connecting to server")

    monkeypatch.setattr(origins, "_download_uci", raise_unreachable)
    result = _run("fetch", "heart_disease")
    assert result.exit_code == 1
    for part in ("SERVICIO_ML_DATA_DIR", "servicio-ml data sample heart_disease", "processed.cleveland.data"):
        assert part in result.stderr
    assert not state.exists()


@pytest.mark.parametrize(
    ("file", "key"), [("Rent 2024.csv", "rent.csv"), ("a.b.csv.gz", "rent.csv.gz"), ("plain", "rent")]
)
def test_a_file_is_uploaded_under_its_use_case(state: Path, tmp_path: Path, file: str, key: str) -> None:
    (tmp_path / file).write_text("a,b\n1,2\n")
    document = _read_document("put", "rent", tmp_path / file)
    target = state / "lake" / "raw-files" / key
    assert document == {"use_case": "rent", "address": str(target), "bytes": 8}
    assert target.read_text() == "a,b\n1,2\n"
    # next month's file takes its place
    (tmp_path / file).write_text("a\n")
    assert f"--source {target}" in _run("put", "rent", tmp_path / file).stdout
    assert target.read_text() == "a\n"


def test_an_upload_is_read_as_a_source(state: Path, tmp_path: Path) -> None:
    (tmp_path / "rent.csv").write_text(write_rows("Rent", lambda i: f"{i * 7919 % 1009}"))
    address = _read_document("put", "rent", tmp_path / "rent.csv")["address"]
    assert address.startswith(str(state))
    assert _read_document("columns", "--source", address)["columns"][0] == "Rent"


@pytest.mark.parametrize(
    ("name", "file", "code", "message"),
    [("My Rent", "rent.csv", 1, "'My Rent'"), ("rent", "absent.csv", 2, "absent.csv")],
)
def test_a_bad_upload_is_named(
    state: Path, tmp_path: Path, name: str, file: str, code: int, message: str
) -> None:
    (tmp_path / "rent.csv").touch()
    result = _run("put", name, tmp_path / file)
    assert result.exit_code == code
    assert message in result.stderr
    assert not (state / "lake").exists()


def test_debug_shows_where_it_happened(state: Path) -> None:
    assert not state.exists()
    assert isinstance(_run("describe", "heart_disease", "--debug").exception, SourceError)


@pytest.mark.parametrize(
    ("columns", "target"), [("a,b,c", "c"), ("a,Target,c", "Target"), ("y,label,c", "y"), ("a,b,a", "b")]
)
def test_the_columns_of_a_file_with_a_suggested_target(tmp_path: Path, columns: str, target: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("\n".join([columns, *(f"{i},{i % 3},{i % 2}" for i in range(100))]))
    # a name that two columns have cannot be predicted
    names = sorted({each for each in columns.split(",") if columns.split(",").count(each) == 1})
    document = _read_document("columns", "--source", file)
    assert (document["source"], sorted(document["columns"])) == (str(file), names)
    assert document["target"] == target
    assert f"{target}   # suggested as --target" in _run("columns", "--source", file).stdout


def test_a_file_without_a_column_to_predict_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(["a,a", *(f"{i},{i}" for i in range(100))]))
    result = _run("columns", "--source", file)
    assert result.exit_code == 1
    assert "no column can be predicted ('a': 2 columns have this name; rename them" in result.stderr
