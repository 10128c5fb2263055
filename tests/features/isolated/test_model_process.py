"""The process of a model: it answers, and whatever its model does, the server and its secrets are safe."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from hostile_estimator import ACT, NUMBER, OK
from isolated_models import build_hostile_program
from servicio_ml.errors import ModelFailureError, ModelWorkerError, WorkerFailure
from servicio_ml.features.isolated.model_process import ModelProcess
from servicio_ml.features.isolated.scorer import read_scores, write_table
from servicio_ml.model_worker import messages
from servicio_ml.model_worker.sandbox import NICENESS

VARIABLE = "SERVICIO_ML_TEST"
SECONDS = 60.0
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelProcess]:
    """One process, for all acts that it outlives."""
    os.environ[VARIABLE] = "hidden"
    process = ModelProcess(build_hostile_program(tmp_path_factory.mktemp("hostile")))
    yield process
    del os.environ[VARIABLE]
    process.kill()


def _score(process: ModelProcess, act: str, *, seconds: float = SECONDS) -> list[list[float]]:
    table = pa.table({ACT: [act, OK], NUMBER: [0.25, 1.0]})
    header, answer = process.exchange(
        {messages.REQUEST: messages.SCORE}, write_table(table), deadline=time.monotonic() + seconds
    )
    found: list[list[float]] = read_scores(header, answer, rows=2, classes=2).tolist()
    return found


def test_it_describes_its_model(running: ModelProcess) -> None:
    found = running.description
    assert (found.task, found.classes, found.columns) == ("binary", ("no", "yes"), (ACT, NUMBER))


def test_the_server_has_precedence(running: ModelProcess) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, running.id) == min(own + NICENESS, 19)


@pytest.mark.parametrize("act", [OK, "write its own file", "start a thread", "print much"])
def test_a_model_may_do_what_concerns_itself(running: ModelProcess, act: str) -> None:
    assert _score(running, act) == [[0.75, 0.25], [0.0, 1.0]]


@pytest.mark.parametrize(
    "act",
    [
        "open a socket", "open a local socket", "fork", "run a program", "kill the server",
        "kill every process",
    ],
)  # fmt: skip
def test_a_model_reaches_neither_network_nor_processes(running: ModelProcess, act: str) -> None:
    with pytest.raises(ModelFailureError, match="PermissionError"):
        _score(running, act)
    assert _score(running, OK) == [[0.75, 0.25], [0.0, 1.0]]


@pytest.mark.parametrize(
    "act", ["read the server's environment", "read a foreign file", "write a foreign file"]
)
def test_a_model_opens_no_foreign_file(running: ModelProcess, act: str) -> None:
    if not running.description.confined_files:
        pytest.skip("this kernel has no Landlock")
    with pytest.raises(ModelFailureError, match="PermissionError"):
        _score(running, act)


def test_a_model_sees_no_variable_of_the_server(running: ModelProcess) -> None:
    with pytest.raises(ModelFailureError, match="HOME=") as raised:
        _score(running, "show its environment")
    assert "hidden" not in str(raised.value)
    assert VARIABLE not in str(raised.value)


def test_an_error_of_a_model_is_short_and_printable(running: ModelProcess) -> None:
    with pytest.raises(ModelFailureError, match=r"ValueError: line\\nbreak \\x1b\[31mxxx") as raised:
        _score(running, "raise")
    assert raised.value.failure is WorkerFailure.ERROR
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 800
    with pytest.raises(ModelFailureError, match="SystemExit: 3"):
        _score(running, "raise exit")
    assert _score(running, OK) == [[0.75, 0.25], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("act", "failure", "problem"),
    [
        ("exit", WorkerFailure.EXIT, "it has ended with the exit code 3"),
        ("crash", WorkerFailure.EXIT, "it was ended by SIGSEGV"),
        ("hang", WorkerFailure.TIMEOUT, "it has not answered within its time limit"),
        ("allocate", WorkerFailure.MEMORY, "its model has used up the memory limit"),
        ("answer for itself", WorkerFailure.PROTOCOL, "its answer is no message"),
    ],
)
def test_the_end_of_a_process_is_reported_with_its_reason(
    tmp_path: Path, act: str, failure: WorkerFailure, problem: str
) -> None:
    process = ModelProcess(build_hostile_program(tmp_path))
    with pytest.raises(ModelWorkerError, match=problem) as raised:
        _score(process, act, seconds=2.0 if act == "hang" else SECONDS)
    assert raised.value.failure is failure
    process.wait()
    with pytest.raises(ProcessLookupError):
        os.kill(process.id, 0)


def test_its_lines_go_into_the_log_and_are_limited(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    process = ModelProcess(build_hostile_program(tmp_path))
    with caplog.at_level(logging.INFO):
        assert _score(process, "print much")
        process.kill()
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "model hostile: " + "x" * 200
    assert len(lines) <= 200


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"file": "absent.pkl"}, "FileNotFoundError"),
        ({"python": Path("/absent/python")}, "No such file"),
        ({"memory_bytes": 64 << 20}, "cannot answer"),
    ],
    ids=["no model", "no interpreter", "no memory"],
)
def test_what_cannot_start_says_why(tmp_path: Path, changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ModelWorkerError, match=problem):
        ModelProcess(replace(build_hostile_program(tmp_path), **changes))  # type: ignore[arg-type]


def test_it_ends_with_its_server(tmp_path: Path) -> None:
    code = (
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from isolated_models import build_hostile_program\n"
        "from servicio_ml.features.isolated.model_process import ModelProcess\n"
        "print(ModelProcess(build_hostile_program(Path(sys.argv[1]))).id, flush=True)\n"
        "threading.Event().wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    )
    assert server.stdout is not None
    with server, server.stdout:
        process = int(server.stdout.readline())
        os.kill(process, 0)
        server.send_signal(signal.SIGKILL)
    _wait_for_end(process)


def _wait_for_end(process: int) -> None:
    deadline = time.monotonic() + SECONDS
    while _is_running(process):
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def _is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    # an ended process whose parent is gone may wait for a while to be collected
    return state.rpartition(")")[2].split()[0] != "Z"
