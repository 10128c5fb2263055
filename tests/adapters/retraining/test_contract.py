"""Contract of the retrainers: Airflow's REST API, a command, and the fake in memory."""

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fake_airflow_api import PASSWORD, USER, FakeAirflowApi, serve_airflow_api
from fakes.retrainer import MemoryRetrainer
from model_server import wait_until
from servers import find_free_port
from services import ManualClock
from servicio_ml.adapters.retraining.airflow import AirflowRetrainer
from servicio_ml.adapters.retraining.command import CommandRetrainer
from servicio_ml.domain.ports.retrainer import Retrainer, RetrainingEnd
from servicio_ml.errors import RetrainingError

pytestmark = pytest.mark.slow

KEY = "alert__2020-09-13T12:00:00Z__after_1970-01-01T00:00:00Z"
DAG = "train_model_rain"
RUNS = f"/api/v2/dags/{DAG}/dagRuns"
WAIT = 'echo "$SERVICIO_ML_TEST/$PROMETHEUS_MULTIPROC_DIR $1 $2"; until [ -e "$0" ]; do sleep 0.05; done'
SESSION = "import os; print(os.getpid() == os.getsid(0))"


@pytest.fixture
def api() -> Iterator[FakeAirflowApi]:
    with serve_airflow_api(DAG, "train_model_heart") as made:
        yield made


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


@pytest.fixture
def airflow(api: FakeAirflowApi, password: Path) -> AirflowRetrainer:
    return AirflowRetrainer(f"{api.url}/", USER, password)


@pytest.fixture(params=["memory", "airflow", "command"])
def retrainer(request: pytest.FixtureRequest, tmp_path: Path) -> Retrainer:
    if request.param == "memory":
        return MemoryRetrainer()
    if request.param == "airflow":
        made: Retrainer = request.getfixturevalue("airflow")
        return made
    return CommandRetrainer(tmp_path / "retraining", ("true",), ManualClock())


class TestRetrainer:
    """The contract of the port."""

    def test_a_run_that_was_started_can_be_followed(self, retrainer: Retrainer) -> None:
        rain, heart = (retrainer.start(model, KEY, "DataDrift fires") for model in ("rain", "heart"))
        assert "rain" in rain
        assert "heart" in heart

    def test_a_repeated_key_starts_nothing_new(self, retrainer: Retrainer) -> None:
        assert retrainer.start("rain", KEY, "first") == retrainer.start("rain", KEY, "second")


class TestAirflow:
    @pytest.mark.parametrize(
        ("state", "error"),
        [
            ("queued", None),
            ("running", None),
            ("success", ""),
            ("failed", f"failed, see .*/dags/{DAG}/runs/{KEY}"),
        ],
    )
    def test_the_end_of_a_run_is_found(
        self, api: FakeAirflowApi, airflow: AirflowRetrainer, state: str, error: str | None
    ) -> None:
        reference = airflow.start("rain", KEY, "DataDrift fires")
        api.states[DAG, KEY] = state
        end = airflow.find_end("rain", reference)
        assert (end is None) == (error is None)
        if end is not None:
            assert re.fullmatch(error or "", end.error)

    def test_a_run_that_was_deleted_has_ended(self, api: FakeAirflowApi, airflow: AirflowRetrainer) -> None:
        reference = airflow.start("rain", KEY, "DataDrift fires")
        api.runs.clear()
        assert airflow.find_end("rain", reference) == RetrainingEnd(
            error=f"Airflow has no run {KEY} of {DAG} any more"
        )

    def test_an_end_that_cannot_be_found_out_is_an_error(
        self, api: FakeAirflowApi, airflow: AirflowRetrainer
    ) -> None:
        reference = airflow.start("rain", KEY, "DataDrift fires")
        api.forced_responses["/auth/token"] = 500, b"Internal Server Error"
        with pytest.raises(RetrainingError, match=r"500.*log of its API server"):
            airflow.find_end("rain", reference)

    def test_a_run_of_the_models_dag_is_started(self, api: FakeAirflowApi, airflow: AirflowRetrainer) -> None:
        reference = airflow.start("rain", KEY, "DataDrift fires")
        assert reference == f"{api.url}/dags/{DAG}/runs/{KEY}"
        sent = {"dag_run_id": KEY, "logical_date": None, "conf": {"reason": "DataDrift fires"}}
        assert api.runs == {(DAG, KEY): sent}

    def test_the_same_key_starts_nothing_new(self, api: FakeAirflowApi, airflow: AirflowRetrainer) -> None:
        assert airflow.start("rain", KEY, "first") == airflow.start("rain", KEY, "second")
        [run] = api.runs.values()
        assert run["conf"] == {"reason": "first"}

    def test_a_lost_response_starts_no_second_run(
        self, api: FakeAirflowApi, airflow: AirflowRetrainer
    ) -> None:
        api.drops_responses = True
        with pytest.raises(RetrainingError, match="SERVICIO_ML_AIRFLOW_URL"):
            airflow.start("rain", KEY, "first")
        api.drops_responses = False
        airflow.start("rain", KEY, "again")
        assert len(api.runs) == 1

    def test_a_new_password_is_read(
        self, api: FakeAirflowApi, airflow: AirflowRetrainer, password: Path
    ) -> None:
        password.write_text("wrong")
        with pytest.raises(RetrainingError, match=r"Invalid credentials.*SERVICIO_ML_AIRFLOW_PASSWORD_FILE"):
            airflow.start("rain", KEY, "drift")
        password.write_text(PASSWORD)
        airflow.start("rain", KEY, "drift")
        assert len(api.runs) == 1

    def test_a_missing_password_file_is_named(self, airflow: AirflowRetrainer, password: Path) -> None:
        password.unlink()
        with pytest.raises(RetrainingError, match="SERVICIO_ML_AIRFLOW_PASSWORD_FILE"):
            airflow.start("rain", KEY, "drift")

    def test_an_unknown_dag_is_named(self, airflow: AirflowRetrainer) -> None:
        with pytest.raises(RetrainingError, match="it has no DAG train_model_cars"):
            airflow.start("cars", KEY, "drift")

    def test_a_paused_dag_is_refused(self, api: FakeAirflowApi, airflow: AirflowRetrainer) -> None:
        api.dags[DAG] = True
        with pytest.raises(RetrainingError, match="is paused; unpause it"):
            airflow.start("rain", KEY, "drift")
        assert api.runs == {}

    @pytest.mark.parametrize("path", ["/auth/token", f"/api/v2/dags/{DAG}", RUNS])
    @pytest.mark.parametrize(
        ("status", "body", "message"),
        [
            (403, b"no", "right to trigger"),
            (500, b"Internal Server Error", "500.*log of its API server"),
            (502, b"\xff\xfe", "502"),
            (520, b"<html>", "520.*log of its API server"),
            (599, b"", "599"),
            (200, b"<html>", "SERVICIO_ML_AIRFLOW_URL"),
            (200, b"[]", "no document of Airflow"),
        ],
    )
    def test_an_error_of_airflow_is_reported_with_a_remedy(
        self,
        api: FakeAirflowApi,
        airflow: AirflowRetrainer,
        path: str,
        status: int,
        body: bytes,
        message: str,
    ) -> None:
        api.forced_responses[path] = status, body
        with pytest.raises(RetrainingError, match=message) as error:
            airflow.start("rain", KEY, "drift")
        assert str(error.value).startswith("rain is not retrained: ")
        assert PASSWORD not in str(error.value)

    def test_a_response_without_a_token_is_an_error(
        self, api: FakeAirflowApi, airflow: AirflowRetrainer
    ) -> None:
        api.forced_responses["/auth/token"] = 201, b"{}"
        with pytest.raises(RetrainingError, match="without an access_token"):
            airflow.start("rain", KEY, "drift")

    def test_an_address_where_nobody_listens_is_an_error(self, password: Path) -> None:
        retrainer = AirflowRetrainer(f"http://127.0.0.1:{find_free_port()}", USER, password)
        with pytest.raises(RetrainingError, match=r"refused.*SERVICIO_ML_AIRFLOW_URL"):
            retrainer.start("rain", KEY, "drift")


class TestCommand:
    """Runs of a command that waits until the test creates a file."""

    @pytest.fixture
    def end(self, tmp_path: Path) -> Iterator[Path]:
        path = tmp_path / "end"
        yield path
        path.touch()

    @pytest.fixture
    def made(self, tmp_path: Path, end: Path) -> CommandRetrainer:
        return CommandRetrainer(tmp_path / "retraining", ("sh", "-c", WAIT, str(end)), ManualClock())

    def test_its_output_goes_to_a_file_without_the_servers_metrics(
        self, made: CommandRetrainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SERVICIO_ML_TEST", "kept")
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "gone")
        log = Path(made.start("rain", KEY, "DataDrift fires"))
        assert log.name == "rain-20200913T122640Z.log"
        wait_until("its output is there", lambda: log.read_text().count("\n") == 2)
        assert log.read_text() == f"{KEY}: DataDrift fires\nkept/ rain {log}\n"

    def test_a_process_that_is_gone_has_ended(self, made: CommandRetrainer, end: Path) -> None:
        reference = made.start("rain", KEY, "drift")
        assert made.find_end("rain", reference) is None
        end.touch()
        wait_until("it has ended", lambda: made.find_end("rain", reference) is not None)
        assert made.find_end("rain", reference) == RetrainingEnd(
            error=f"its process is gone, see {reference}"
        )

    def test_a_model_has_one_run_at_a_time(self, made: CommandRetrainer, end: Path) -> None:
        made.start("rain", KEY, "drift")
        with pytest.raises(RetrainingError, match="runs already"):
            made.start("rain", "another", "drift")
        end.touch()
        wait_until("it has ended", lambda: _can_start(made))

    def test_a_key_is_started_once_however_its_run_ended(self, tmp_path: Path) -> None:
        runs = tmp_path / "runs"
        made = CommandRetrainer(tmp_path, ("sh", "-c", f"echo $3 >> {runs}; exit 1", "sh"), ManualClock())
        first = made.start("rain", KEY, "drift")
        wait_until("it has run", runs.exists)
        wait_until("its lock is free", lambda: _can_start(made))
        wait_until("the other has run", lambda: runs.read_text().count("\n") == 2)
        assert made.start("rain", KEY, "drift again") == first
        assert made.start("heart", KEY, "drift") != first
        wait_until("each key has run once for its model", lambda: runs.read_text().count(KEY) == 2)
        assert runs.read_text().splitlines() == [KEY, "a new key", KEY]

    def test_a_key_is_known_while_its_run_goes_on(self, made: CommandRetrainer) -> None:
        assert made.start("rain", KEY, "drift") == made.start("rain", KEY, "drift again")

    def test_overlapping_starts_of_a_key_start_one_run(self, tmp_path: Path) -> None:
        runs, workers = tmp_path / "runs", 6
        together = threading.Barrier(workers)

        def start(_: int) -> str:
            together.wait()
            command = ("sh", "-c", f"echo $3 >> {runs}", "sh")
            return CommandRetrainer(tmp_path, command, ManualClock()).start("rain", KEY, "drift")

        with ThreadPoolExecutor(workers) as pool:
            references = set(pool.map(start, range(workers)))
        assert len(references) == 1
        wait_until("it has run", runs.exists)
        assert runs.read_text() == f"{KEY}\n"

    def test_a_crash_before_the_process_exists_claims_no_key(self, tmp_path: Path) -> None:
        (tmp_path / "rain-20200913T122600Z.starting").write_text(f"{KEY}: drift\n")
        log = Path(CommandRetrainer(tmp_path, ("echo", "output"), ManualClock()).start("rain", KEY, "drift"))
        wait_until("it has run", lambda: "output" in log.read_text())

    def test_a_crash_before_the_file_has_its_name_leaves_the_run_known(self, made: CommandRetrainer) -> None:
        log = Path(made.start("rain", KEY, "drift"))
        log.rename(log.with_suffix(".starting"))
        assert Path(made.start("rain", KEY, "drift")) == log
        assert log.exists()

    def test_a_missing_command_claims_no_key(self, tmp_path: Path) -> None:
        with pytest.raises(RetrainingError, match="no-such-program"):
            CommandRetrainer(tmp_path, ("no-such-program",), ManualClock()).start("rain", KEY, "drift")
        log = Path(CommandRetrainer(tmp_path, ("echo", "output"), ManualClock()).start("rain", KEY, "drift"))
        wait_until("it has run", lambda: "output" in log.read_text())

    def test_two_models_may_run_at_the_same_time(self, made: CommandRetrainer) -> None:
        made.start("rain", KEY, "drift")
        made.start("heart", KEY, "drift")

    def test_it_survives_the_session_of_the_server(self, tmp_path: Path) -> None:
        made = CommandRetrainer(tmp_path, (sys.executable, "-c", SESSION), ManualClock())
        log = Path(made.start("rain", KEY, "drift"))
        wait_until("its output is there", lambda: log.read_text().endswith("\nTrue\n"))

    def test_a_killed_run_releases_its_lock(self, tmp_path: Path) -> None:
        killed = CommandRetrainer(tmp_path, ("sh", "-c", "echo $$; exec sleep 600"), ManualClock())
        log = Path(killed.start("rain", KEY, "drift"))
        wait_until("it says its id", lambda: log.read_text().count("\n") == 2)
        os.kill(int(log.read_text().splitlines()[1]), signal.SIGKILL)
        wait_until(
            "its lock is free", lambda: _can_start(CommandRetrainer(tmp_path, ("true",), ManualClock()))
        )

    def test_a_missing_command_is_named(self, tmp_path: Path) -> None:
        retrainer = CommandRetrainer(tmp_path, ("no-such-program",), ManualClock())
        with pytest.raises(RetrainingError, match="no-such-program"):
            retrainer.start("rain", KEY, "drift")

    def test_a_folder_that_cannot_be_written_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(RetrainingError, match="can be written"):
            CommandRetrainer(tmp_path / "file", ("true",), ManualClock()).start("rain", KEY, "drift")


def _can_start(retrainer: CommandRetrainer) -> bool:
    try:
        retrainer.start("rain", "a new key", "drift")
    except RetrainingError:
        return False
    return True
