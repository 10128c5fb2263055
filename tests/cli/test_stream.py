"""`servicio-ml stream-worker` and `stream-sample`: real processes, a real Redis, a real registry."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner, Result

from asgi import post
from servers import find_free_port, start_redis_server, wait_until_ready
from services import create_service
from servicio_ml import bootstrap
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.adapters.redis_broker import RedisBroker
from servicio_ml.cli.app import app
from servicio_ml.domain.prediction import LoggedPrediction, format_prediction_ids
from servicio_ml.domain.stream import GROUP, StreamKind, build_stream_name
from servicio_ml.features.encoder import Encoder
from servicio_ml.serving.app import build_app
from servicio_ml.serving.models.request_decoder import Decoder
from servicio_ml.serving.rest.enqueue import build_routes
from servicio_ml.settings import load_settings
from small_use_case import SCHEMA

MODEL = "small"
REQUESTS, RESULTS, DEAD = (build_stream_name(MODEL, stream) for stream in StreamKind)
OWN = """
from small_use_case import build_use_case
USE_CASE = build_use_case()
"""
MESSAGES, PART, POISON_EVERY, ENQUEUED = 2000, 250, 100, 20
DEADLINE_SECONDS = 90
LOOK_SECONDS = 0.002
CLAIM_AFTER_SECONDS = 1


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> Path:
    """A state folder whose registry has a champion of the model `small`."""
    state = tmp_path_factory.mktemp("state")
    connection = connect("", state)
    with MlflowTracker(connection).open_run(MODEL, "fit") as run:
        MlflowRegistry(connection).register(MODEL, artifact_folder, run_id=run.id, tags={})
    MlflowRegistry(connection).set_alias(MODEL, "champion", 1)
    return state


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    made = redis.Redis.from_url(address, decode_responses=True, protocol=2)
    made.flushall()
    yield made
    made.close()


@pytest.fixture
def state(registry: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of this process and of those that it starts."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "small.py").write_text(OWN)
    for name, value in {
        "USE_CASES_DIR": tmp_path / "own", "STATE_DIR": tmp_path, "REDIS_URL": address,
        "MLFLOW_URL": f"sqlite:///{registry}/mlflow.db",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"SERVICIO_ML_{name}", str(value))
    for name in ("HOST", "LOG_URL", "LOG_SAMPLING", "MODELS", "DATA_DIR"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    return tmp_path


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _wait_until(what: str, holds: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {DEADLINE_SECONDS} s: {what}")
        threading.Event().wait(LOOK_SECONDS)


class Workers:
    """Worker processes."""

    def __init__(self, client: Any, folder: Path) -> None:
        self._client, self._folder = client, folder
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """A worker that has joined the group."""
        words = ["stream-worker", "--claim-after", str(CLAIM_AFTER_SECONDS), *options]
        command = [sys.executable, "-c", "from servicio_ml.cli import main; main()", *words]
        with (self._folder / f"worker-{len(self.running)}.log").open("wb") as log:
            made = subprocess.Popen(command, stdout=log, stderr=log)
        self.running.append(made)
        _wait_until("a worker joins", lambda: made.poll() is not None or self.find_consumer(made))
        assert made.poll() is None, self.read_output(made)
        return made

    def find_consumer(self, worker: subprocess.Popen[bytes]) -> dict[str, Any] | None:
        """What Redis knows of a worker."""
        try:
            found = self._client.xinfo_consumers(REQUESTS, GROUP)
        except redis.ResponseError:
            return None  # there is no stream yet
        return next((each for each in found if f"-{worker.pid}-" in each["name"]), None)

    def count_pending(self, worker: subprocess.Popen[bytes]) -> int:
        """Count the requests of the worker in flight."""
        found = self.find_consumer(worker)
        return int(found["pending"]) if found else 0

    def kill_in_mid_batch(self, worker: subprocess.Popen[bytes], feed: Callable[[], None]) -> int:
        """Kill -9 a worker while it has requests in flight; return their number."""
        for _ in range(MESSAGES // PART - 1):
            feed()
            while self._client.xlen(REQUESTS):
                if not self.count_pending(worker):
                    continue
                worker.send_signal(signal.SIGSTOP)
                held = self.count_pending(worker)
                if held:
                    worker.kill()
                    worker.wait(timeout=DEADLINE_SECONDS)
                    return held
                worker.send_signal(signal.SIGCONT)
        raise AssertionError("the worker was never seen with requests in flight")

    def read_output(self, worker: subprocess.Popen[bytes]) -> str:
        return (self._folder / f"worker-{self.running.index(worker)}.log").read_text()

    def close(self) -> None:
        for worker in self.running:
            if worker.poll() is None:
                worker.kill()
                worker.wait(timeout=DEADLINE_SECONDS)


@pytest.fixture
def workers(client: Any, state: Path) -> Iterator[Workers]:
    made = Workers(client, state)
    yield made
    made.close()


def _record(number: int) -> str:
    return json.dumps({"day": "2020-01-31", "size": number / 100, "weight": number % 7 - 3.0})


class Feed:
    """Puts the messages of the test on the stream, part by part; every so often one is poison."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.good: dict[str, str] = {}
        self.poison: set[str] = set()
        self.fed = 0

    def __call__(self) -> None:
        pipeline = self._client.pipeline(transaction=False)
        numbers = range(self.fed, self.fed + PART)
        for number in numbers:
            record = "{" if number % POISON_EVERY == 0 else _record(number)
            pipeline.xadd(REQUESTS, {"record": record, "key": str(number)})
        for number, message in zip(numbers, pipeline.execute(), strict=True):
            if number % POISON_EVERY == 0:
                self.poison.add(message)
            else:
                self.good[message] = str(number)
        self.fed += PART


def _enqueue_requests(state: Path, address: str, artifact_folder: Path) -> dict[str, str]:
    """Message id to key of what was sent through the API."""
    broker = RedisBroker(address)
    made = create_service(state / "api", artifact_folder)
    api, sent = build_app(made.service, [build_routes(made.service, broker)]), {}
    for number in range(ENQUEUED):
        key = f"api-{number}"
        answer = post(
            api, f"/models/{MODEL}/enqueue", _record(number).encode(), headers={"X-Client-Key": key}
        )
        assert answer.status == 202
        sent[answer.document["message_id"]] = key
    broker.close()
    return sent


def _read_logged() -> list[LoggedPrediction]:
    log = bootstrap.open_prediction_log(load_settings())
    ids = []
    for chunk in log.read_chunks(MODEL, 0, time.time() + 60):
        places = memoryview(chunk.places).cast("I")
        ids += [format_prediction_ids(chunk.key, place, 1)[0] for place in places]
    assert len(ids) == len(set(ids))
    found = log.find(ids)
    return [found[each] for each in ids]


def _assert_each_request_has_one_result(client: Any, good: dict[str, str]) -> list[dict[str, Any]]:
    """Assert that the results are those of the good requests, each once; return the answers."""
    results = [fields for _, fields in client.xrange(RESULTS)]
    assert sorted(fields["request"] for fields in results) == sorted(good)
    assert {fields["request"]: fields["key"] for fields in results} == good
    return [json.loads(fields["answer"]) for fields in results]


def _assert_dead_letters(client: Any, poison: set[str]) -> None:
    """Assert that the dead letters are the requests that are no JSON, with this reason."""
    dead = [fields for _, fields in client.xrange(DEAD)]
    assert sorted(fields["request"] for fields in dead) == sorted(poison)
    assert all("EOF" in fields["reason"] for fields in dead)


def _assert_each_answer_has_one_row(answers: list[dict[str, Any]]) -> None:
    """Assert that the prediction log has each answer once, as it was sent."""
    rows = {row.id: row for row in _read_logged()}
    assert {answer["prediction_id"] for answer in answers} == set(rows)
    assert len(rows) == len(answers)
    for answer in answers:
        row = rows[answer["prediction_id"]]
        answered = (answer["version"], answer["prediction"], answer["probability"])
        assert answered == (row.version, row.outcome, row.probabilities[1])


@pytest.mark.slow
def test_kill_9_in_mid_stream_loses_nothing_and_answers_and_logs_nothing_twice(
    client: Any, address: str, state: Path, workers: Workers, artifact_folder: Path
) -> None:
    doomed, other = workers.start(), workers.start()
    feed = Feed(client)
    held = workers.kill_in_mid_batch(doomed, feed)
    assert held > 0
    third = workers.start()
    while feed.fed < MESSAGES:
        feed()
    good = feed.good | _enqueue_requests(state, address, artifact_folder)
    _wait_until("all messages are answered", lambda: client.xlen(REQUESTS) == 0)
    for worker in (other, third):
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=DEADLINE_SECONDS) == 0, workers.read_output(worker)

    answers = _assert_each_request_has_one_result(client, good)
    _assert_dead_letters(client, feed.poison)
    _assert_each_answer_has_one_row(answers)
    # only the one that was killed is still in the group
    assert [each["pending"] for each in client.xinfo_consumers(REQUESTS, GROUP)] == [0]


@pytest.mark.slow
def test_a_worker_exports_its_metrics_and_outlives_its_redis(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_port, port = find_free_port(), find_free_port()
    monkeypatch.setenv("SERVICIO_ML_REDIS_URL", f"redis://127.0.0.1:{redis_port}/0")
    with start_redis_server(tmp_path, redis_port) as url:
        first: Any = redis.Redis.from_url(url, decode_responses=True, protocol=2)
        workers = Workers(first, state)
        worker = workers.start("--metrics-port", str(port))
        first.xadd(REQUESTS, {"record": _record(1)})
        _wait_until("an answer", lambda: first.xlen(RESULTS) == 1)
        wait_until_ready(f"http://127.0.0.1:{port}/metrics", worker)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            exposition = answer.read().decode()
        assert f'servicio_ml_stream_lag{{model="{MODEL}"}} 0.0' in exposition
        assert 'protocol="stream"' in exposition
        assert f'servicio_ml_model_info{{model="{MODEL}"' in exposition
        first.close()
    try:
        _wait_until("the worker notices", lambda: "the stream worker waits" in workers.read_output(worker))
        with start_redis_server(tmp_path, redis_port) as url:
            second: Any = redis.Redis.from_url(url, decode_responses=True, protocol=2)
            second.xadd(REQUESTS, {"record": _record(2)})
            _wait_until("an answer after the outage", lambda: second.xlen(RESULTS) == 1)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=DEADLINE_SECONDS) == 0
            second.close()
        assert workers.read_output(worker).count("the stream worker waits") == 1
    finally:
        workers.close()


@pytest.mark.slow
@pytest.mark.usefixtures("state")
def test_the_sample_is_what_the_champion_understands(client: Any) -> None:
    result = _run("stream-sample", MODEL, "--rows", 300, "--rate", 0, "--seed", 1, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"use_case": MODEL, "stream": REQUESTS, "rows": 300, "seed": 1}
    messages = [fields for _, fields in client.xrange(REQUESTS)]
    assert [fields["key"] for fields in messages] == [f"sample-{number}" for number in range(300)]
    decoder = Decoder(MODEL, Encoder(SCHEMA), max_rows=1)
    rows = [tuple(decoder.decode_record(fields["record"].encode()).matrix[0].tolist()) for fields in messages]
    assert len({repr(row) for row in rows}) > 100


@pytest.mark.slow
@pytest.mark.usefixtures("state")
def test_a_sample_drifts_after_a_number_of_rows(client: Any) -> None:
    assert _run("stream-sample", MODEL, "--rows", 400, "--rate", 0, "--drift-after", 200).exit_code == 0
    records = [json.loads(fields["record"]) for _, fields in client.xrange(REQUESTS)]
    [field] = [each for each in SCHEMA.fields if each.name == "weight"]
    means = [sum(each["weight"] for each in part) / 200 for part in (records[:200], records[200:])]
    low, high = field.limits
    # the same rows again would differ by chance only; some are at the maximum
    assert means[1] - means[0] > 0.05 * (high - low)
    assert max(each["weight"] for each in records) <= high


@pytest.mark.slow
@pytest.mark.usefixtures("state")
def test_a_sample_keeps_its_rate() -> None:
    started = time.monotonic()
    assert _run("stream-sample", MODEL, "--rows", 21, "--rate", 40).exit_code == 0
    assert time.monotonic() - started >= 0.5


@pytest.mark.parametrize("command", [["stream-worker"], ["stream-sample", MODEL]], ids=["worker", "sample"])
def test_without_a_redis_the_setting_is_named(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICIO_ML_REDIS_URL", "")
    result = _run(*command)
    assert result.exit_code == 1
    assert "SERVICIO_ML_REDIS_URL: it is empty" in result.stderr


@pytest.mark.slow
def test_a_port_that_is_taken_is_said_to_be(state: Path) -> None:
    port = find_free_port()
    command = [sys.executable, "-c", "from servicio_ml.cli import main; main()", "stream-worker"]
    with socket.create_server(("127.0.0.1", port)):
        done = subprocess.run(
            [*command, "--metrics-port", str(port)], capture_output=True, text=True, check=False,
            cwd=state, env=dict(os.environ), timeout=DEADLINE_SECONDS,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"--metrics-port: {port} on 127.0.0.1" in done.stderr
