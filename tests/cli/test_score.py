"""`servicio-ml score`: what a user types, what is left, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import pathname2url

import polars as pl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.cli.app import app
from servicio_ml.domain.use_case import Task
from servicio_ml.features.artifact import load_artifact
from servicio_ml.pipeline.scoring.run import PART_ROWS
from small_use_case import generate_rows

FAILED, WRONG_USE = 1, 2


@pytest.fixture
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder; nothing else of the machine is seen."""
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("DATA_DIR", "LAKE_URL", "MLFLOW_URL", "S3_ENDPOINT", "USE_CASES_DIR"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> Path:
    """A state folder with a model of no known use case: version 1 is champion, version 2 is called other."""
    state = tmp_path_factory.mktemp("registered") / "state"
    state.mkdir()
    connection = connect("", state)
    registry = MlflowRegistry(connection)
    with MlflowTracker(connection).open_run("unheard_of", "train") as run:
        for alias in ("champion", "other"):
            made = registry.register("unheard_of", artifact_folder, run_id=run.id, tags={})
            registry.set_alias("unheard_of", alias, made.version)
    return state


@pytest.fixture
def state(registered: Path, quiet: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(registered))
    return quiet


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, ["score", *(str(word) for word in words)])


def _assert_refused(result: Result, *words: str) -> None:
    """One line says what to do; there is no traceback."""
    assert result.exit_code == FAILED
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in errors[0]


@pytest.mark.usefixtures("quiet")
class TestWithoutMlflow:
    """Errors that are reported before MLflow is asked."""

    def test_help_names_every_option(self) -> None:
        text = _run("--help").stdout
        options = ("--input", "--output", "--version", "--keep", "--dialect", "--threads", "--force")
        for word in (*options, "--json", "--debug", "quarantine"):
            assert word in text

    @pytest.mark.parametrize("words", [("--input", "a"), ("--output", "a")], ids=" ".join)
    def test_input_and_output_are_needed(self, words: tuple[str, ...]) -> None:
        assert _run("small", *words).exit_code == WRONG_USE

    @pytest.mark.parametrize(
        ("source", "output", "said"),
        [
            ("nowhere.csv", "out", ("nowhere.csv", "--input")),
            ("ftp://host/a.csv", "out", ("ftp", "s3://")),
            ("nowhere.csv", "ftp://host/out", ("--output", "ftp://host/out")),
            ("nowhere.csv", "s3://", ("--output", "names no bucket")),
        ],
    )
    def test_a_wrong_address_is_named(self, source: str, output: str, said: tuple[str, ...]) -> None:
        _assert_refused(_run("rain_australia", "--input", source, "--output", output), *said)


@pytest.mark.slow
class TestRegistered:
    """With MLflow in SQLite."""

    @pytest.fixture
    def words(self, state: Path) -> tuple[object, ...]:
        frame = generate_rows(Task.BINARY, 60).drop("outcome").with_columns(id=pl.int_range(60))
        frame.with_columns(weight=pl.when(pl.col("id") == 5).then(99).otherwise("weight")).write_csv(
            state / "a.csv"
        )
        return ("unheard_of", "--input", state / "a.csv", "--output", state / "out")

    def test_people_see_counts_and_machines_one_document(
        self, words: tuple[object, ...], state: Path, artifact_folder: Path
    ) -> None:
        shown = _run(*words, "--keep", "id")
        assert shown.exit_code == 0, shown.stderr
        assert "unheard_of version 1" in shown.stdout
        assert "1 rows are in quarantine" in shown.stderr
        read = _run(*words, "--keep", "id", "--json")
        document = json.loads(read.stdout)
        assert document["counts"] == {"rows": 60, "scored": 59, "quarantined": 1}
        assert document["output"] == str(state / "out")
        found = pl.read_parquet(state / "out" / document["parts"][0]["file"])
        artifact = load_artifact(artifact_folder)
        frame = generate_rows(Task.BINARY, 60).with_row_index().filter(pl.col("index") != 5)
        expected = artifact.predict(artifact.encoder.encode_frame(frame))
        assert found["prediction"].to_list() == expected.outcomes.tolist()
        assert found["id"].to_list() == [str(i) for i in range(60) if i != 5]
        assert set(found["version"]) == {1}

    def test_any_version_scores(self, words: tuple[object, ...], state: Path) -> None:
        for version, other in (("2", "first"), ("other", "second")):
            given = (*words[:-1], state / other)
            document = json.loads(_run(*given, "--version", version, "--json").stdout)
            assert document["identity"]["version"] == 2

    def test_what_is_wrong_is_reported(self, words: tuple[object, ...]) -> None:
        assert _run(*words).exit_code == 0
        _assert_refused(_run(*words, "--version", "other"), "version 1 there, 2 now", "--force")
        _assert_refused(_run(*words, "--version", "7"), "version 7")
        _assert_refused(_run(*words, "--keep", "name"), "missing column 'name'")
        _assert_refused(_run("nothing", *words[1:]), "'nothing'", "servicio-ml train nothing")
        assert _run(*words, "--version", "other", "--force").exit_code == 0

    def test_an_address_is_fetched(self, words: tuple[object, ...], state: Path, served: str) -> None:
        address = f"{served}/{pathname2url('a.csv')}"
        result = _run(words[0], "--input", address, "--output", state / "out", "--json")
        assert json.loads(result.stdout)["input"] == {"source": address}

    @pytest.fixture
    def served(self, state: Path) -> Iterator[str]:
        handler = partial(SimpleHTTPRequestHandler, directory=state)
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()

    def test_a_killed_run_is_gone_on_with(self, state: Path) -> None:
        block = generate_rows(Task.BINARY, 1 << 14).drop("outcome")
        copies = 4 * PART_ROWS // len(block)
        text = block.write_csv(include_header=False).encode()
        source = state / "a.csv"
        with source.open("wb") as file:
            file.write((",".join(block.columns) + "\n").encode())
            for _ in range(copies):
                file.write(text)
        words = ["score", "unheard_of", "--input", str(source), "--output"]
        killed = _kill_halfway([*words, str(state / "out")])
        assert killed == -signal.SIGKILL
        assert not (state / "out" / "manifest.json").exists()
        whole = len(list((state / "out").glob("part-*")))
        assert 1 <= whole < 4
        result = CliRunner().invoke(app, [*words, str(state / "out")])
        assert result.exit_code == 0, result.stderr
        assert "going on after" in result.stderr
        assert CliRunner().invoke(app, [*words, str(state / "whole")]).exit_code == 0
        files = _read_files(state / "out")
        assert files == _read_files(state / "whole")
        assert len(files) == 5


def _read_files(folder: Path) -> dict[str, object]:
    """Every file's content, without what a killed copy leaves.

    Of a table its rows: their layout depends on the threads of the process.
    """
    paths = (path for path in folder.iterdir() if path.suffix != ".partial")
    return {
        path.name: pq.read_table(path) if path.suffix == ".parquet" else path.read_bytes() for path in paths
    }


def _kill_halfway(words: list[str]) -> int:
    """Kill the command once it has logged that half of the rows are scored; return its exit code."""
    command = [sys.executable, "-c", "from servicio_ml.cli import main; main()", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ.copy()) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "rows/s" in line and int(line.split()[2].split("/")[0]) > 2 * PART_ROWS:
                break
        process.send_signal(signal.SIGKILL)
    return process.returncode
