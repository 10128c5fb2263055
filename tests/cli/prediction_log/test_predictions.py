"""`servicio-ml predictions`: what a user types, what is left, and how it ends."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from logged_rows import build_chunk, list_ids
from servicio_ml import bootstrap
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.adapters.prediction_log.journal import SqliteJournal
from servicio_ml.cli.app import app
from servicio_ml.domain.prediction import Chunk, GroundTruth
from servicio_ml.features.artifact import load_artifact
from servicio_ml.features.logged_rows.columns import LoggedVersion
from servicio_ml.settings import Settings

FAILED = 1
MODEL = "unheard_of"
RECORD = {"day": "2020-01-31", "size": None, "weight": 0.1, "colour": "blue"}
HOUR = 3600


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["predictions", *(str(word) for word in words)])


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in; nothing else of the machine is seen."""
    for name in ("DATA_DIR", "LAKE_URL", "MLFLOW_URL", "S3_ENDPOINT", "USE_CASES_DIR", "LOG_URL"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> Path:
    """A state folder with version 1 of a model, which has answered nothing."""
    state = tmp_path_factory.mktemp("registered") / "state"
    state.mkdir()
    connection = connect("", state)
    with MlflowTracker(connection).open_run(MODEL, "train") as made:
        MlflowRegistry(connection).register(MODEL, artifact_folder, run_id=made.id, tags={})
    return state


@pytest.fixture
def state(registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # MLflow's addresses of files are absolute, so that the folder itself is used; its log is deleted first
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(registered))
    shutil.rmtree(bootstrap.get_log_folder(Settings(state_dir=registered)), ignore_errors=True)
    return tmp_path


@pytest.fixture
def chunks(registered: Path, state: Path, artifact_folder: Path) -> list[Chunk]:
    """Two requests, an hour and three hours ago; the ground truth of the earlier one is known."""
    assert state.is_dir()
    artifact = load_artifact(artifact_folder)
    version = LoggedVersion(version=1, schema=artifact.encoder.schema, output=artifact.output)
    now = float(round(time.time()))
    chunks = [
        build_chunk(version, [RECORD], at=now - 3 * HOUR, outcomes=[1], probabilities=[(0.25, 0.75)],
                    identifiers=("k-1",), model=MODEL),
        build_chunk(version, [RECORD] * 2, at=now - HOUR, model=MODEL),
    ]  # fmt: skip
    settings = Settings(state_dir=registered)
    journal = SqliteJournal.open_exclusive(bootstrap.get_log_folder(settings))
    journal.write(chunks)
    journal.close()
    truth = GroundTruth(prediction_id=list_ids(chunks[0])[0], actual=0.0, at=now)
    bootstrap.open_prediction_log(settings).add_ground_truth([truth])
    return chunks


def format_time(at: float) -> str:
    return datetime.fromtimestamp(round(at, 6), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_csv_on_standard_output(chunks: list[Chunk]) -> None:
    result = run(MODEL, "--limit", 1)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    row, score = result.stdout.rsplit(",", 1)
    assert 0 < float(score) < 1
    assert row == (
        '"prediction_id","time","version","identifier","day","size","weight","colour",'
        '"prediction","label","probability","actual","outlier_score"\n'
        f'"{list_ids(chunks[0])[0]}","{format_time(chunks[0].at)}",1,"k-1","2020-01-31",,0.1,"blue",'
        '1,"yes",0.75,"no"'
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl", ".arrow", ".arrows"])
def test_the_suffix_decides_the_format(chunks: list[Chunk], state: Path, suffix: str) -> None:
    output = state / "new" / f"predictions{suffix}"
    result = run(MODEL, "--output", output)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"3 predictions of {MODEL} in {output}\n"
    read: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".csv": pl.read_csv, ".parquet": pl.read_parquet, ".jsonl": pl.read_ndjson, ".arrow": pl.read_ipc,
        ".arrows": pl.read_ipc_stream,
    }  # fmt: skip
    frame = read[suffix](output)
    assert frame["prediction_id"].to_list() == [each for chunk in chunks for each in list_ids(chunk)]
    assert frame["weight"].to_list() == [0.1] * 3
    assert frame["actual"].to_list() == ["no", None, None]
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_a_window_selects_rows(chunks: list[Chunk], state: Path) -> None:
    output = state / "a.jsonl"

    def list_rows(*words: object) -> list[str]:
        assert run(MODEL, "--output", output, *words).exit_code == 0
        return [json.loads(line)["prediction_id"] for line in output.read_text().splitlines()]

    first, second = map(list_ids, chunks)
    assert list_rows() == first + second
    assert list_rows("--since", "2h") == second
    assert list_rows("--until", "2h") == first
    moment = datetime.fromtimestamp(chunks[1].at, UTC)
    assert list_rows("--since", moment.isoformat()) == second
    assert list_rows("--until", moment.replace(tzinfo=None).isoformat(" "), "--version", 1) == first
    assert list_rows("--since", moment.date().isoformat(), "--until", f"{moment:%Y-%m-%d}T00:00:01Z") == []


@pytest.mark.usefixtures("state")
def test_a_window_without_rows_leaves_a_file_with_columns_and_says_so(tmp_path: Path) -> None:
    output = tmp_path / "a.csv"
    result = run(MODEL, "--output", output)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert f"no prediction of {MODEL} is logged in the window; {output} has no rows" in result.stderr
    assert output.read_text().startswith('"prediction_id","time","version","identifier","day","size"')
    assert output.read_text().count("\n") == 1


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("unknown",), ("'unknown'", f"registered are {MODEL}")),
        ((MODEL, "--version", 7), ("'unheard_of'", "version 7")),
        ((MODEL, "--since", "3w"), ("since '3w'", "1h to 90d", "2026-01-31T12:00:00Z")),
        ((MODEL, "--since", "91d"), ("'91d'", "1h to 90d")),
        ((MODEL, "--until", "yesterday"), ("until 'yesterday'", "1h to 90d")),
        ((MODEL, "--since", "1h", "--until", "2h"), ("since '1h' is not before until '2h'",)),
        ((MODEL, "--output", "a.xlsx"), ("a.xlsx", "'.xlsx'", ".csv", ".parquet")),
        ((MODEL, "--output", "/dev/null/a.csv"), ("/dev/null/a.csv",)),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_what_is_wrong_is_reported(words: tuple[object, ...], said: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == FAILED
    assert result.stdout == ""
    assert result.stderr.count("error: ") == 1
    for word in said:
        assert word in result.stderr


def test_an_error_leaves_the_file_as_it_was(
    chunks: list[Chunk], state: Path, registered: Path, artifact_folder: Path
) -> None:
    output = state / "a.csv"
    output.write_text("before")
    artifact = load_artifact(artifact_folder)
    schema = artifact.encoder.schema.drop_fields(["size"])
    other = LoggedVersion(version=1, schema=schema, output=artifact.output)
    journal = SqliteJournal.open_exclusive(bootstrap.get_log_folder(Settings(state_dir=registered)))
    journal.write([build_chunk(other, [RECORD], at=chunks[1].at + 1, model=MODEL)])
    journal.close()
    result = run(MODEL, "--output", output)
    assert result.exit_code == FAILED
    assert "they have 3 values each, and its schema 4" in result.stderr
    assert output.read_text() == "before"
    assert [path.name for path in state.iterdir()] == ["a.csv"]


@pytest.mark.slow
@pytest.mark.usefixtures("chunks")
def test_a_reader_may_stop_early() -> None:
    main = "from servicio_ml.cli import main; main()"
    command = f"{sys.executable} -c '{main}' predictions {MODEL} | head -c 5"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b'"pred', b"")
