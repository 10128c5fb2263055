"""Latency of a model in ONNX beside an isolated model that fails, a reader of its log, and large batches."""

import http.client
import json
import os
import random
import shutil
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from benchmarks.environments import LOCKS
from benchmarks.serving import load
from benchmarks.serving.imported import get_environments
from benchmarks.serving.load import Load
from benchmarks.serving.model import BATCH_ROWS, Models
from benchmarks.serving.processes import HOST, OK, post
from benchmarks.serving.servers import JSON, Place, Server, build_our_server
from benchmarks.serving.stand import Stand, Up
from benchmarks.serving.train import RAIN

from servicio_ml import bootstrap, settings
from servicio_ml.adapters.prediction_log.journal import SqliteJournal
from servicio_ml.adapters.prediction_log.journal_file import JournalFile
from servicio_ml.domain.prediction import Chunk, Interface, Purpose, create_timed_key
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.features.isolated.environments import create_environment, set_environments_folder
from servicio_ml.features.isolated.worker_document import WORKER

NEIGHBOUR, MEMORY_BYTES = "neighbour", 2 << 30
CONNECTIONS, PAUSE_MILLISECONDS = 8, 10
"""The measured requests: each connection pauses before each, so that the server has time to spare."""
KILL_SECONDS, WITNESS_SECONDS, STOP_SECONDS = 1.0, 0.05, 60.0
LOGGED_ROWS, WRITTEN_ROWS = 1_000_000, 4096
NEWEST_SECONDS, SPREAD_SECONDS = 2 * 3600, 20 * 3600
"""Age of the newest logged row at the start, and the time over which they are spread."""
PIECE_BYTES = 1 << 20
Fault = Callable[[Up, threading.Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What was found of the measured model beside something.

    Attributes:
        loads: One a round.
        answered: Ids of predictions that were answered meanwhile, of both models.
    """

    loads: list[Load] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)


def measure(
    stand: Stand, rounds: int, seconds: int, advance: Callable[[int, str], None]
) -> dict[str, Beside]:
    """Measure beside each fault in turn, round by round, on one server.

    Raises:
        MeasurementError: A request of the measured model was not answered with 200.
        SystemExit: A prediction that was answered is not in the log.
    """
    folder = _prepare(stand.models)
    found = {name: Beside() for name in FAULTS}
    before = os.sched_getaffinity(0)
    try:
        with stand.start(_build_server(folder), stand.server) as up:
            os.sched_setaffinity(0, {int(stand.client)})
            stand.warm(up, stand.client)
            up.running.resume()
            for _ in range(rounds):
                for name, fault in FAULTS.items():
                    advance(1, f"beside a neighbour: {name}")
                    found[name].loads.append(_measure_beside(stand, up, fault, seconds, found[name].answered))
            _check_log(up, found)
    finally:
        os.sched_setaffinity(0, before)
    return found


def _measure_beside(stand: Stand, up: Up, fault: Fault, seconds: int, answered: list[str]) -> Load:
    with (
        _run_in_thread(lambda stop: fault(up, stop)),
        _run_in_thread(
            lambda stop: _ask(up, up.server.path, up.server.body(stand.models, slice(0, 1)), answered, stop)
        ),
        _run_in_thread(
            lambda stop: _ask(up, f"/models/{NEIGHBOUR}/predict", _build_act("ok"), answered, stop)
        ),
    ):
        # until the fault has an effect
        threading.Event().wait(WITNESS_SECONDS)
        return load.run(
            up.running.port, up.server.path, up.bodies, connections=CONNECTIONS, seconds=seconds,
            processors=stand.client, pause_milliseconds=PAUSE_MILLISECONDS,
        )  # fmt: skip


@contextmanager
def _run_in_thread(work: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(STOP_SECONDS)


def _ask(up: Up, path: str, body: bytes, answered: list[str], stop: threading.Event) -> None:
    """Ask for one prediction after the other, and keep the ids of those that are answered."""
    while not stop.wait(WITNESS_SECONDS):
        status, text = post(up.running.port, path, body, JSON)
        if status == OK:
            answered.append(json.loads(text)["prediction_id"])


def _build_act(act: str) -> bytes:
    return json.dumps({"act": act, "number": 0.5}).encode()


def _repeat_act(act: str) -> Fault:
    def repeat(up: Up, stop: threading.Event) -> None:
        while not stop.is_set():
            post(up.running.port, f"/models/{NEIGHBOUR}/predict", _build_act(act), JSON)

    return repeat


def _kill(up: Up, stop: threading.Event) -> None:
    while not stop.wait(KILL_SECONDS):
        for pid in up.running.find_pids("model_worker"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _read_log(up: Up, stop: threading.Event) -> None:
    while not stop.is_set():
        connection = http.client.HTTPConnection(HOST, up.running.port)
        with closing(connection):
            connection.request("GET", f"/models/{RAIN.name}/predictions?since=48h")
            answer = connection.getresponse()
            while not stop.is_set() and answer.read(PIECE_BYTES):
                pass


def _send_batches(up: Up, stop: threading.Event) -> None:
    records = islice(cycle(up.bodies.read_bytes().splitlines()), BATCH_ROWS)
    body = b'{"records": [' + b", ".join(records) + b"]}"
    while not stop.is_set():
        post(up.running.port, f"{up.server.path}/batch", body, JSON)


FAULTS: Mapping[str, Fault] = {
    "idle": lambda _, __: None,
    "killed every second": _kill,
    "hangs until its time limit": _repeat_act("hang"),
    "leaks memory to its limit": _repeat_act("leak"),
    f"{LOGGED_ROWS:,} logged predictions are read": _read_log,
    f"batches of {BATCH_ROWS:,} records without a pause": _send_batches,
}


def _check_log(up: Up, found: Mapping[str, Beside]) -> None:
    logged: set[str] = set()
    for model in (RAIN.name, NEIGHBOUR):
        connection = http.client.HTTPConnection(HOST, up.running.port)
        with closing(connection):
            connection.request("GET", f"/models/{model}/predictions?since=1h")
            logged |= {json.loads(line)["prediction_id"] for line in connection.getresponse()}
    for name, beside in found.items():
        if missing := set(beside.answered) - logged:
            raise SystemExit(
                f"{name}: {len(missing)} answered predictions are not in the log: {min(missing)}"
            )


def _build_server(folder: Path) -> Server:
    mine = build_our_server(1)

    def build_settings(_: Place) -> Mapping[str, str]:
        return {
            "SERVICIO_ML_STATE_DIR": str(folder.resolve()),
            "SERVICIO_ML_ENVIRONMENTS_DIR": str(get_environments(folder.resolve().parent)),
            "SERVICIO_ML_MODELS": f"{RAIN.name},{NEIGHBOUR}",
        }

    return replace(mine, name="neighbours", settings=build_settings)


def _prepare(models: Models) -> Path:
    """Make a state of both models with a filled log."""
    folder = models.folder / "neighbours"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    given = settings.load_settings(state_dir=folder)
    artifacts = {
        RAIN.name: models.folder / "artifact",
        NEIGHBOUR: _write_neighbour(models, folder / "artifact"),
    }
    tracker, registry = bootstrap.connect_mlflow(given)
    for name, artifact in artifacts.items():
        with tracker.open_run(name, "benchmark", tags={"step": "benchmark"}) as run:
            version = registry.register(name, artifact, run_id=run.id, tags={})
        registry.set_alias(name, CHAMPION, version.version)
    _fill_log(models, bootstrap.get_log_folder(given))
    return folder


def _write_neighbour(models: Models, folder: Path) -> Path:
    """Write the hostile estimator of the tests, with the environment of MLflow's scorer."""
    sys.path.append(str(Path(__file__).parents[2] / "tests"))
    from isolated_models import write_hostile_artifact  # noqa: PLC0415  only this part needs the tests

    write_hostile_artifact(folder, name=NEIGHBOUR, memory_bytes=MEMORY_BYTES)
    set_environments_folder(get_environments(models.folder))
    requirements = shutil.copy(LOCKS / "mlflow.txt", folder / "requirements.txt")
    document = json.loads((folder / WORKER).read_text())
    document |= {"python": create_environment(Path(requirements)), "requirements": "requirements.txt"}
    (folder / WORKER).write_text(json.dumps(document))
    return folder


def _fill_log(models: Models, folder: Path) -> None:
    """Log single predictions of the last day."""
    values = np.ascontiguousarray(models.matrix[:, : len(models.artifact.encoder.schema.owners)])
    answers, bits = models.artifact.predict(models.matrix), random.Random(1).getrandbits  # noqa: S311  ids
    if (shares := answers.probabilities) is None:
        raise TypeError
    place, end = np.zeros(1, dtype="<u4").tobytes(), time.time() - NEWEST_SECONDS
    journal = SqliteJournal.open_exclusive(folder)
    for start in range(0, LOGGED_ROWS, WRITTEN_ROWS):
        chunks = []
        for number in range(start, min(start + WRITTEN_ROWS, LOGGED_ROWS)):
            at, row = end - SPREAD_SECONDS * (1 - number / LOGGED_ROWS), number % len(values)
            chunks.append(
                Chunk(
                    key=create_timed_key(at, bits), at=at, model=RAIN.name, version=1,
                    protocol=Interface.REST, purpose=Purpose.ANSWER, rows=1, places=place,
                    features=values[row].tobytes(), outcomes=answers.outcomes[row].tobytes(),
                    probabilities=shares[row].tobytes(),
                )
            )  # fmt: skip
        journal.write(chunks)
    with closing(JournalFile(journal.path)) as file:
        file.checkpoint()
    journal.close()


def compute_tail_ratio(idle: Sequence[Load], beside: Sequence[Load]) -> float:
    """Median over the rounds of the ratio of the 99th percentiles."""
    return statistics.median(each.p99 / quiet.p99 for quiet, each in zip(idle, beside, strict=True))
