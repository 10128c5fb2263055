"""`servicio-ml acknowledge`: what a user types, what is recorded, and what is refused."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from acknowledgement_cases import REFUSED, RefusedRequest
from logged_rows import build_chunk
from servicio_ml import bootstrap
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.adapters.prediction_log.journal import SqliteJournal
from servicio_ml.cli.app import app
from servicio_ml.domain.use_case import Task
from servicio_ml.features.artifact import load_artifact
from servicio_ml.features.decoder import decode_records
from servicio_ml.features.logged_rows.columns import LoggedVersion
from servicio_ml.settings import Settings
from small_use_case import generate_rows

FAILED = 1


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["acknowledge", "small", *(str(word) for word in words)])


def find_day(days: int) -> str:
    return f"{datetime.now(UTC).date() + timedelta(days)}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> Path:
    """A state folder with a champion whose rows of the last hour have another size than the training rows."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "small.py").write_text(
        "from small_use_case import build_use_case\nUSE_CASE = build_use_case()\n"
    )
    state = folder / "state"
    state.mkdir()
    connection, artifact = connect("", state), load_artifact(artifact_folder)
    registry = MlflowRegistry(connection)
    with MlflowTracker(connection).open_run("small", "train") as training:
        registry.register("small", artifact_folder, run_id=training.id, tags={})
    registry.set_alias("small", "champion", 1)
    rows = generate_rows(Task.BINARY, 400, seed=3)
    schema = artifact.encoder.schema
    matrix = artifact.encoder.encode_frame(rows.with_columns(rows["size"] + 2))
    answers = artifact.predict(matrix)
    assert answers.probabilities is not None
    version = LoggedVersion(version=1, schema=schema, output=artifact.output)
    journal = SqliteJournal.open_exclusive(bootstrap.get_log_folder(Settings(state_dir=state)))
    journal.write([
        build_chunk(
            version, decode_records(schema, matrix), at=time.time() - 600, model="small",
            outcomes=answers.outcomes.tolist(), probabilities=answers.probabilities.tolist(),
        )
    ])  # fmt: skip
    journal.close()
    return folder


@pytest.fixture(autouse=True)
def settings(made: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("DATA_DIR", "LAKE_URL", "MLFLOW_URL", "S3_ENDPOINT", "LOG_URL"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(made / "state"))
    monkeypatch.setenv("SERVICIO_ML_USE_CASES_DIR", str(made))
    monkeypatch.setenv("COLUMNS", "200")
    return Settings(state_dir=made / "state")


def test_from_an_acknowledgement_to_its_end(settings: Settings) -> None:
    assert "no drift is accepted" in run().stdout
    shown = run("size", "--until", find_day(9), "--reason", "moved house")
    assert shown.exit_code == 0, shown.stderr
    for word in ("size", find_day(10), "moved house"):
        assert word in shown.stdout
    [held] = json.loads(run("--json").stdout)["held"]
    assert held["psi"] > 1
    # the server reads the same log
    [entry] = bootstrap.open_decision_log(settings).load_acknowledgements("small")
    assert (entry.feature, entry.psi, entry.reason) == ("size", held["psi"], "moved house")
    ended = json.loads(run("size", "--end", "--json").stdout)
    assert (ended["held"], len(ended["history"])) == ([], 2)
    again = run("size", "--end")
    assert (again.exit_code, "no acknowledgement of 'size' of small holds" in again.stderr) == (FAILED, True)


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_refused_by_name(settings: Settings, case: RefusedRequest) -> None:
    before = bootstrap.open_decision_log(settings).load_acknowledgements("small")
    until = case.text if case.days is None else find_day(case.days)
    result = run(case.feature, "--until", until, "--reason", case.reason)
    assert result.exit_code == FAILED
    for word in case.said:
        assert word in result.stderr
    assert bootstrap.open_decision_log(settings).load_acknowledgements("small") == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--until", "2030-01-01"), "setting --until: it is about one feature"),
        (("--end",), "setting --end: it is about one feature"),
        (("size", "--until", "2030-01-01"), "setting --reason: it is missing"),
        (("size", "--reason", "known"), "setting --until: it is missing"),
        (("size", "--end", "--reason", "known"), "setting --reason: an end takes effect now"),
    ],
)
def test_options_that_do_not_fit_are_refused(words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert (result.exit_code, said in result.stderr) == (FAILED, True), result.stderr
