"""A process that has ended is replaced; what cannot be loaded is refused; a closed one leaves nothing."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pytest

from hostile_estimator import ACT, NUMBER, OK
from isolated_models import build_hostile_program
from servicio_ml.errors import ModelFailureError, ModelWorkerError, WorkerFailure
from servicio_ml.features.isolated.scorer import write_table
from servicio_ml.features.isolated.supervisor import ProcessSupervisor
from servicio_ml.model_worker import messages

pytestmark = pytest.mark.slow
SECONDS = 60.0


@dataclass
class _Events:
    """Listener that keeps what it hears."""

    found: list[str] = field(default_factory=list)

    def record_failure(self, failure: WorkerFailure) -> None:
        self.found.append(failure.value)

    def record_start(self, *, again: bool) -> None:
        self.found.append("started again" if again else "started")

    def record_end(self) -> None:
        self.found.append("ended")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[ProcessSupervisor]:
    found = ProcessSupervisor(build_hostile_program(tmp_path))
    yield found
    found.close()


def _request(supervisor: ProcessSupervisor, act: str, seconds: float = SECONDS) -> bytes:
    payload = write_table(pa.table({ACT: [act], NUMBER: [0.25]}))
    _, answer = supervisor.request({messages.REQUEST: messages.SCORE}, payload, seconds=seconds)
    return bytes(answer)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_an_ended_process_is_replaced(supervisor: ProcessSupervisor) -> None:
    events = supervisor.listener = _Events()
    assert supervisor.start().task == "binary"
    first = supervisor.process_id
    answer = _request(supervisor, OK)
    with pytest.raises(ModelWorkerError):
        _request(supervisor, "exit")
    _wait_until(lambda: supervisor.process_id not in {None, first})
    assert _request(supervisor, OK) == answer
    assert (events.found[0], events.found[-1]) == ("started", "started again")
    assert sorted(events.found[1:-1]) == ["ended", "exit"]


def test_without_a_process_a_request_is_refused_at_once(supervisor: ProcessSupervisor) -> None:
    supervisor.start()
    # two ends without an answer: the third start is delayed
    for _ in range(2):
        _wait_until(lambda: supervisor.process_id is not None)
        with pytest.raises(ModelWorkerError):
            _request(supervisor, "exit")
    with pytest.raises(ModelWorkerError, match=r"it starts again after this.*exit code 3") as raised:
        _request(supervisor, OK)
    assert raised.value.failure is WorkerFailure.DOWN
    _wait_until(lambda: supervisor.process_id is not None)
    assert _request(supervisor, OK)


def test_an_error_of_the_model_ends_no_process(supervisor: ProcessSupervisor) -> None:
    supervisor.start()
    process = supervisor.process_id
    with pytest.raises(ModelFailureError):
        _request(supervisor, "raise")
    assert supervisor.process_id == process
    assert _request(supervisor, OK)


def _keep_busy(supervisor: ProcessSupervisor) -> None:
    with pytest.raises(ModelWorkerError):
        _request(supervisor, "hang", 5.0)


def test_a_request_waits_no_longer_than_its_time_limit_for_its_turn(supervisor: ProcessSupervisor) -> None:
    supervisor.start()
    thread = threading.Thread(target=_keep_busy, args=(supervisor,))
    thread.start()
    _wait_until(supervisor._turn.locked)
    with pytest.raises(ModelWorkerError, match=r"earlier requests have taken more than 0\.1 s") as raised:
        _request(supervisor, OK, 0.1)
    assert raised.value.failure is WorkerFailure.BUSY
    thread.join()


def test_a_model_that_cannot_be_loaded_is_not_tried_again(tmp_path: Path) -> None:
    supervisor = ProcessSupervisor(replace(build_hostile_program(tmp_path), file="absent.pkl"))
    with pytest.raises(ModelWorkerError, match="FileNotFoundError"):
        supervisor.start()
    assert (supervisor.starts, supervisor.process_id) == (1, None)
    assert not (tmp_path / "model").exists()


def test_a_closed_one_leaves_neither_process_nor_files(supervisor: ProcessSupervisor, tmp_path: Path) -> None:
    supervisor.start()
    process = supervisor.process_id
    assert process is not None
    supervisor.close()
    _wait_until(lambda: not Path(f"/proc/{process}").exists())
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(ModelWorkerError):
        _request(supervisor, OK)
