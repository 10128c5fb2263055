"""Retrainings that are started: by Airflow's REST API, by a command, and in memory."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_api import PASSWORD, USER, AirflowApi, airflow_api
from platforms import until
from servers import free_port
from services import Watch
from servicio_ml.adapters.airflow_retrainer import AirflowRetrainer
from servicio_ml.adapters.command_retrainer import CommandRetrainer
from servicio_ml.adapters.memory_decisions import MemoryRetrainer
from servicio_ml.domain.ports import Retrainer
from servicio_ml.errors import RetrainingError

KEY = "alert__2020-09-13T12:00:00Z__after_1970-01-01T00:00:00Z"
DAG = "train_model_rain"
RUNS = f"/api/v2/dags/{DAG}/dagRuns"
WAIT = 'echo "$SERVICIO_ML_TEST/$PROMETHEUS_MULTIPROC_DIR $1 $2"; until [ -e "$0" ]; do sleep 0.05; done'
SESSION = "import os; print(os.getpid() == os.getsid(0))"


@pytest.fixture
def api() -> Iterator[AirflowApi]:
    with airflow_api(DAG, "train_model_heart") as made:
        yield made


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


@pytest.fixture
def airflow(api: AirflowApi, password: Path) -> AirflowRetrainer:
    return AirflowRetrainer(f"{api.url}/", USER, password)


@pytest.fixture(params=["memory", "airflow", "command"])
def retrainer(request: pytest.FixtureRequest, tmp_path: Path) -> Retrainer:
    if request.param == "memory":
        return MemoryRetrainer()
    if request.param == "airflow":
        made: Retrainer = request.getfixturevalue("airflow")
        return made
    return CommandRetrainer(tmp_path / "retraining", ("true",), Watch())


class TestRetrainer:
    """The contract of the port."""

    def test_what_is_started_can_be_followed(self, retrainer: Retrainer) -> None:
        rain, heart = (retrainer.start(model, KEY, "DataDrift fires") for model in ("rain", "heart"))
        assert "rain" in rain
        assert "heart" in heart


class TestAirflow:
    def test_a_run_of_the_models_dag_is_started(self, api: AirflowApi, airflow: AirflowRetrainer) -> None:
        reference = airflow.start("rain", KEY, "DataDrift fires")
        assert reference == f"{api.url}/dags/{DAG}/runs/{KEY}"
        sent = {"dag_run_id": KEY, "logical_date": None, "conf": {"reason": "DataDrift fires"}}
        assert api.runs == {(DAG, KEY): sent}

    def test_the_same_key_starts_nothing_new(self, api: AirflowApi, airflow: AirflowRetrainer) -> None:
        assert airflow.start("rain", KEY, "first") == airflow.start("rain", KEY, "second")
        [run] = api.runs.values()
        assert run["conf"] == {"reason": "first"}

    def test_an_answer_that_is_lost_doubles_nothing(self, api: AirflowApi, airflow: AirflowRetrainer) -> None:
        api.deaf = True
        with pytest.raises(RetrainingError, match="SERVICIO_ML_AIRFLOW_URL"):
            airflow.start("rain", KEY, "first")
        api.deaf = False
        airflow.start("rain", KEY, "again")
        assert len(api.runs) == 1

    def test_a_new_password_is_read(self, api: AirflowApi, airflow: AirflowRetrainer, password: Path) -> None:
        password.write_text("wrong")
        with pytest.raises(RetrainingError, match=r"Invalid credentials.*SERVICIO_ML_AIRFLOW_PASSWORD_FILE"):
            airflow.start("rain", KEY, "drift")
        password.write_text(PASSWORD)
        airflow.start("rain", KEY, "drift")
        assert len(api.runs) == 1

    def test_a_lost_password_is_told(self, airflow: AirflowRetrainer, password: Path) -> None:
        password.unlink()
        with pytest.raises(RetrainingError, match="SERVICIO_ML_AIRFLOW_PASSWORD_FILE"):
            airflow.start("rain", KEY, "drift")

    def test_an_unknown_dag_is_told(self, airflow: AirflowRetrainer) -> None:
        with pytest.raises(RetrainingError, match="it has no DAG train_model_cars"):
            airflow.start("cars", KEY, "drift")

    def test_a_run_of_a_paused_dag_would_wait_for_ever(
        self, api: AirflowApi, airflow: AirflowRetrainer
    ) -> None:
        api.dags[DAG] = True
        with pytest.raises(RetrainingError, match="is paused; unpause it"):
            airflow.start("rain", KEY, "drift")
        assert api.runs == {}

    @pytest.mark.parametrize("path", ["/auth/token", f"/api/v2/dags/{DAG}", RUNS])
    @pytest.mark.parametrize(
        ("status", "body", "told"),
        [
            (403, b"no", "right to trigger"),
            (500, b"Internal Server Error", "500.*log of its API server"),
            (502, b"\xff\xfe", "502"),
            (599, b"", "599"),
            (200, b"<html>", "SERVICIO_ML_AIRFLOW_URL"),
            (200, b"[]", "no document of Airflow"),
        ],
    )
    def test_what_it_refuses_is_told(
        self, api: AirflowApi, airflow: AirflowRetrainer, path: str, status: int, body: bytes, told: str
    ) -> None:
        api.forced[path] = status, body
        with pytest.raises(RetrainingError, match=told) as error:
            airflow.start("rain", KEY, "drift")
        assert str(error.value).startswith("rain is not retrained: ")
        assert PASSWORD not in str(error.value)

    def test_a_token_without_a_token_is_told(self, api: AirflowApi, airflow: AirflowRetrainer) -> None:
        api.forced["/auth/token"] = 201, b"{}"
        with pytest.raises(RetrainingError, match="without an access_token"):
            airflow.start("rain", KEY, "drift")

    def test_an_address_where_nobody_listens_is_told(self, password: Path) -> None:
        retrainer = AirflowRetrainer(f"http://127.0.0.1:{free_port()}", USER, password)
        with pytest.raises(RetrainingError, match=r"refused.*SERVICIO_ML_AIRFLOW_URL"):
            retrainer.start("rain", KEY, "drift")


class TestCommand:
    """The command waits for a file that the test makes."""

    @pytest.fixture
    def end(self, tmp_path: Path) -> Iterator[Path]:
        path = tmp_path / "end"
        yield path
        path.touch()

    @pytest.fixture
    def made(self, tmp_path: Path, end: Path) -> CommandRetrainer:
        return CommandRetrainer(tmp_path / "retraining", ("sh", "-c", WAIT, str(end)), Watch())

    def test_its_output_goes_to_a_file_without_the_servers_metrics(
        self, made: CommandRetrainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SERVICIO_ML_TEST", "kept")
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "gone")
        log = Path(made.start("rain", KEY, "DataDrift fires"))
        assert log.name == "rain-20200913T122640Z.log"
        until("its output is there", lambda: log.read_text().count("\n") == 2)
        assert log.read_text() == f"{KEY}: DataDrift fires\nkept/ rain {log}\n"

    def test_never_two_of_a_model_at_once(self, made: CommandRetrainer, end: Path) -> None:
        made.start("rain", KEY, "drift")
        with pytest.raises(RetrainingError, match="runs already"):
            made.start("rain", "another", "drift")
        end.touch()
        until("it has ended", lambda: _starts(made))

    def test_another_model_may_be_at_the_same_time(self, made: CommandRetrainer) -> None:
        made.start("rain", KEY, "drift")
        made.start("heart", KEY, "drift")

    def test_it_goes_on_when_the_session_of_the_server_ends(self, tmp_path: Path) -> None:
        made = CommandRetrainer(tmp_path, (sys.executable, "-c", SESSION), Watch())
        log = Path(made.start("rain", KEY, "drift"))
        until("its output is there", lambda: log.read_text().endswith("\nTrue\n"))

    def test_one_that_is_killed_lets_another_begin(self, tmp_path: Path) -> None:
        killed = CommandRetrainer(tmp_path, ("sh", "-c", "echo $$; exec sleep 600"), Watch())
        log = Path(killed.start("rain", KEY, "drift"))
        until("it says its id", lambda: log.read_text().count("\n") == 2)
        os.kill(int(log.read_text().splitlines()[1]), signal.SIGKILL)
        until("its lock is free", lambda: _starts(CommandRetrainer(tmp_path, ("true",), Watch())))

    def test_a_command_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        retrainer = CommandRetrainer(tmp_path, ("no-such-program",), Watch())
        with pytest.raises(RetrainingError, match="no-such-program"):
            retrainer.start("rain", KEY, "drift")

    def test_a_folder_that_cannot_be_written_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(RetrainingError, match="can be written"):
            CommandRetrainer(tmp_path / "file", ("true",), Watch()).start("rain", KEY, "drift")


def _starts(retrainer: CommandRetrainer) -> bool:
    try:
        retrainer.start("rain", KEY, "drift")
    except RetrainingError:
        return False
    return True
