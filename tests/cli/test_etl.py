"""`servicio-ml etl`: what a user types, what is printed, and how it ends."""

import json
import socket
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from fakes.tracker import MemoryTracker
from orchard_use_case import GOOD, HEADER, build_row, build_rows, write_csv
from servicio_ml.adapters import lake
from servicio_ml.cli.app import app
from servicio_ml.errors import SourceError

OWN = """
from orchard_use_case import build_use_case
USE_CASE = build_use_case()
"""
FAILED, WRONG_USE = 1, 2


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that keeps everything; nothing else of the machine is seen."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "orchard.py").write_text(OWN)
    monkeypatch.setenv("SERVICIO_ML_USE_CASES_DIR", str(own))
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "state"))
    for name in ("DATA_DIR", "LAKE_URL", "MLFLOW_URL", "S3_ENDPOINT"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "state"


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, ["etl", *(str(word) for word in words)])


def _assert_refused(result: Result, *words: str) -> None:
    """One line says what to do; there is no traceback."""
    assert result.exit_code == FAILED
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in errors[0]


def _list_manifests(state: Path) -> list[Path]:
    return list(state.rglob("manifest.json"))


BAD = [
    pytest.param("", ["it is empty"], id="empty file"),
    pytest.param(",".join(HEADER) + "\n", ["holds the column names and no row"], id="header only"),
    pytest.param("Day,Weight,Seeds,Color,Ripe\n", ["missing column 'Colour'", "'Color'"], id="renamed"),
    pytest.param(
        ",".join(HEADER) + "\n" + ",".join(build_row(Ripe="")), ["none of the 1 rows is labelled"],
        id="no label"
    ),
    pytest.param(
        ",".join(HEADER) + "\n" + ",".join(build_row(Seeds="many")),
        ["every labelled row is rejected, mostly because seeds: 'many'"], id="wrong types",
    ),
    pytest.param(",".join(HEADER) + '\n"open', ["line 2: a quote is opened"], id="open quote"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), BAD)
def test_a_bad_file_is_reported_in_one_line(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: list[str]
) -> None:
    tracker = MemoryTracker(tmp_path / "runs", lambda: 0.0)
    monkeypatch.setattr("servicio_ml.bootstrap.connect_tracker", lambda _: tracker)
    source = tmp_path / "a.csv"
    source.write_text(content)
    _assert_refused(_run("orchard", "--source", source), str(source), *expected)
    assert not _list_manifests(state)


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["orchad"], ["unknown use case 'orchad': did you mean orchard?"]),
        (["orchard", "--period", "2016-13"], ["setting --period: '2016-13' is no month", "YYYY-MM"]),
        (
            ["orchard", "--source", "none.csv"],
            ["cannot read none.csv: there is no such file; check --source"],
        ),
        (["orchard", "--source", "ftp://host/a.csv"], ["ftp addresses are not supported"]),
        (["orchard"], ["servicio-ml data sample orchard", "servicio-ml data fetch orchard", "--source"]),
    ],
    ids=["unknown use case", "bad period", "no file", "other address", "nothing at hand"],
)
def test_bad_words_are_reported_in_one_line(words: list[str], expected: list[str]) -> None:
    _assert_refused(_run(*words), *expected)


def test_debug_shows_where_an_error_is_from(state: Path) -> None:
    assert not state.exists()
    assert isinstance(_run("orchard", "--source", "none.csv", "--debug").exception, SourceError)


def test_the_help_reads_well() -> None:
    result = CliRunner().invoke(app, ["etl", "--help"], env={"COLUMNS": "100"})
    assert result.exit_code == 0
    for word in ("USE_CASE", "--source", "--period", "YYYY-MM", "--json", "--debug", "quarantine"):
        assert word in result.stdout


def test_a_command_without_a_use_case_is_wrong_use() -> None:
    assert _run().exit_code == WRONG_USE


@pytest.mark.slow
class TestWithMlflow:
    """With a fresh MLflow in SQLite."""

    def test_people_see_counts_and_machines_one_document(self, state: Path) -> None:
        kept = state / "data" / "orchard"
        kept.mkdir(parents=True)
        source = write_csv(kept / "sample.csv", [*build_rows(200), GOOD, GOOD, build_row(Seeds="x")])
        shown = _run("orchard", "--period", "2020-12")
        assert shown.exit_code == 0, shown.stderr
        assert f"source: {source}" in shown.stderr
        assert "1 rows are in quarantine" in shown.stderr
        assert "203" in shown.stdout
        read = _run("orchard", "--period", "2020-12", "--json")
        document = json.loads(read.stdout)
        assert document["counts"]["read"] == 203
        assert document["counts"]["quarantined"] == document["counts"]["duplicates"] == 1
        assert len(_list_manifests(state)) == 3  # in the lake, and as an artifact of either run
        files = {part: Path(document["lake"]) / key for part, key in document["files"].items()}
        rows = [len(pl.read_parquet(files[part])) for part in ("train", "test", "quarantine")]
        assert sum(rows) == 202
        assert json.loads(files["overview"].read_text())["rows"] == 201

    def test_an_unreachable_mlflow_leaves_nothing_published(
        self, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("SERVICIO_ML_MLFLOW_URL", address)
        source = write_csv(tmp_path / "a.csv", build_rows(200))
        _assert_refused(_run("orchard", "--source", source), f"MLflow at {address}", "SERVICIO_ML_MLFLOW_URL")
        assert not (state / "lake").exists()

    def test_a_refusing_lake_leaves_nothing_published(
        self, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blocked = tmp_path / "blocked"
        blocked.write_text("a file where the folder should be")
        monkeypatch.setenv("SERVICIO_ML_LAKE_URL", str(blocked / "lake"))
        source = write_csv(tmp_path / "a.csv", build_rows(200))
        _assert_refused(_run("orchard", "--source", source), f"lake {blocked / 'lake'}")
        assert not (state / "lake").exists()

    def test_an_unreachable_s3_leaves_nothing_published(
        self, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setattr(lake, "MAX_ATTEMPTS", 1)
        for name, value in (
            ("SERVICIO_ML_LAKE_URL", "s3://data/lake"),
            ("SERVICIO_ML_S3_ENDPOINT", address),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
        ):
            monkeypatch.setenv(name, value)
        source = write_csv(tmp_path / "a.csv", build_rows(200))
        _assert_refused(_run("orchard", "--source", source), address, "SERVICIO_ML_S3_ENDPOINT")
        assert not (state / "lake").exists()
