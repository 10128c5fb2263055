"""`servicio-ml serve` as it runs: several workers, promotions under load, drain, kills, keys."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from asgi import AsgiResponse
from model_server import COMMAND, MODELS, ModelServer, ModelShelf, run_model_server, wait_until
from servers import find_free_port, start_mlflow_server, start_redis_server
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.features.artifact import GOLDEN

pytestmark = pytest.mark.slow
RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
PREDICT = "/models/small/predict"
CALLERS, PROMOTIONS = 4, 20


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> ModelShelf:
    made = ModelShelf(tmp_path_factory.mktemp("state"))
    for model, fixture in MODELS.items():
        made.add(model, request.getfixturevalue(fixture))
    return made


@pytest.fixture(scope="module")
def platform(shelf: ModelShelf) -> Iterator[ModelServer]:
    with run_model_server(shelf.state) as made:
        yield made


def predict_probability(platform: ModelServer) -> Any:
    return platform("POST", PREDICT, RECORD).document["probability"]


@pytest.mark.parametrize("model", MODELS)
def test_every_champion_answers_its_golden_rows(platform: ModelServer, shelf: ModelShelf, model: str) -> None:
    golden = json.loads((shelf.registry.download(model, 1) / GOLDEN).read_text())
    for row, expected in zip(golden["records"], golden["answers"], strict=True):
        answer = platform("POST", f"/models/{model}/predict", row).document
        assert answer["prediction"] == pytest.approx(expected["value"], rel=1e-5)
        assert (answer["model"], answer["version"]) == (model, 1)


def test_metrics_add_up_over_the_workers(platform: ModelServer) -> None:
    before = platform.read_metric(
        "servicio_ml_feature_observations_total", model="small", feature="weight", bin="missing"
    )
    labels = {"method": "POST", "route": "/models/{model}/predict", "status": "200"}
    answered_before = platform.read_metric("http_requests_total", **labels)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: platform("POST", PREDICT, RECORD).status, range(200)))
    assert statuses == [200] * 200
    # the other worker may flush its earlier calls only now
    wait_until(
        "all are counted",
        lambda: platform.read_metric("http_requests_total", **labels) >= answered_before + 200,
    )

    def read_observed() -> float:
        text = platform("GET", "/metrics").body.decode()
        head = 'servicio_ml_feature_observations_total{bin="green",feature="colour",model="small"'
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(head))

    wait_until("all bins are counted", lambda: read_observed() >= 200)
    assert before == 0
    assert len(platform.list_workers()) == 2


def test_many_rows_of_each_format_agree(platform: ModelServer) -> None:
    one = predict_probability(platform)
    rows = platform("POST", f"{PREDICT}/batch", {"records": [RECORD] * 300}).document["predictions"]
    assert {row["probability"] for row in rows} == {one}


def test_20_promotions_under_load_lose_and_mix_nothing(
    platform: ModelServer, shelf: ModelShelf, artifact_folder: Path, tmp_path: Path
) -> None:
    others = [artifact_folder, _shift_predictions(artifact_folder, tmp_path / "other")]
    expected: dict[int, float] = {1: predict_probability(platform)}
    answers: list[AsgiResponse] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answers.append(platform("POST", PREDICT, RECORD))

    with ThreadPoolExecutor(CALLERS) as pool:
        asking = [pool.submit(ask) for _ in range(CALLERS)]
        try:
            for turn in range(PROMOTIONS):
                version = shelf.add("small", others[(turn + 1) % 2])
                assert platform("POST", "/models/small/reload").document["champion"] == version
                expected[version] = expected[1] if (turn + 1) % 2 == 0 else 1 - expected[1]
        finally:
            stop.set()
        for each in asking:
            each.result()
    assert {answer.status for answer in answers} == {200}
    documents = [answer.document for answer in answers]
    assert len({document["version"] for document in documents}) > PROMOTIONS / 2
    for document in documents:
        assert document["probability"] == pytest.approx(expected[document["version"]])
    wait_until("every worker has the last", lambda: _read_versions(platform) == {max(expected)})


def _read_versions(platform: ModelServer) -> set[int]:
    return {platform("POST", PREDICT, RECORD).document["version"] for _ in range(20)}


def _shift_predictions(artifact: Path, folder: Path) -> Path:
    """The artifact with the opposite probabilities, golden rows and all."""
    shutil.copytree(artifact, folder)
    output = json.loads((folder / "output.json").read_text())
    for table in output["tables"]:
        table["probabilities"] = [1 - each for each in table["probabilities"]]
    if not output["tables"]:
        output["tables"] = [{"scores": [0.0, 1.0], "probabilities": [1.0, 0.0]}]
    (folder / "output.json").write_text(json.dumps(output))
    golden = json.loads((folder / GOLDEN).read_text())
    for answer in golden["answers"]:
        answer["probabilities"] = answer["probabilities"][::-1]
        answer["value"] = float(answer["probabilities"][1] >= output["threshold"])
    (folder / GOLDEN).write_text(json.dumps(golden))
    return folder


def test_a_killed_worker_comes_back(platform: ModelServer) -> None:
    victim = platform.list_workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(
        "there are two again",
        lambda: len(platform.list_workers()) == 2 and victim not in platform.list_workers(),
    )
    wait_until("it answers", lambda: platform("GET", "/health/ready").status == 200)
    assert predict_probability(platform) is not None


def test_no_request_answered_is_lost_when_a_worker_is_killed(shelf: ModelShelf, tmp_path: Path) -> None:
    url = f"sqlite:///{shelf.state}/mlflow.db"
    with run_model_server(tmp_path, workers=1, mlflow_url=url) as platform:
        ids: list[str] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                try:
                    answer = platform("POST", PREDICT, RECORD)
                except OSError:
                    return
                if answer.status == 200:
                    ids.append(answer.document["prediction_id"])

        with ThreadPoolExecutor(CALLERS) as pool:
            asking = [pool.submit(ask) for _ in range(CALLERS)]
            wait_until("it is under load", lambda: len(ids) > 300)
            os.kill(platform.list_workers()[0], signal.SIGKILL)
            stop.set()
            for each in asking:
                each.result()
        wait_until("it answers again", lambda: platform("GET", "/health/ready").status == 200)
        labels = [{"prediction_id": each, "actual": "yes"} for each in ids]
        receipts: list[dict[str, Any]] = []
        for start in range(0, len(labels), 500):
            chunk = platform("POST", "/models/small/feedback/batch", {"labels": labels[start : start + 500]})
            receipts += chunk.document["labels"]
        assert [receipt["status"] for receipt in receipts] == ["accepted"] * len(ids)


@pytest.mark.parametrize("path", [PREDICT, f"{PREDICT}?alias=champion"], ids=["fast path", "ASGI"])
def test_requests_in_flight_are_answered_when_the_server_stops(shelf: ModelShelf, path: str) -> None:
    with run_model_server(shelf.state, workers=1) as platform:
        host, port = platform.url.removeprefix("http://").split(":")
        body = json.dumps(RECORD).encode()
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(
                b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
                % (path.encode(), len(body))
            )
            # one worker: what it was sent before it has read before
            assert platform("GET", "/health/live").status == 200
            platform.process.terminate()
            wait_until("it takes no others", lambda: _is_refused(host, int(port)))
            connection.sendall(body)
            answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        assert platform.process.wait(timeout=30) == 0


def _is_refused(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return True
    return False


def test_workers_end_with_a_killed_parent(shelf: ModelShelf) -> None:
    with run_model_server(shelf.state) as platform:
        workers = platform.list_workers()
        platform.process.kill()
        platform.process.wait()
        wait_until("the workers are gone", lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_it_waits_for_mlflow(shelf: ModelShelf, tmp_path: Path) -> None:
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    with run_model_server(tmp_path, ready=False, workers=1, mlflow_url=url) as platform:
        wait_until("it has looked", lambda: "MLflow" in platform("GET", "/health/ready").body.decode())
        assert platform("GET", "/health/ready").status == 503
        assert platform("POST", PREDICT, RECORD).status in {404, 503}
        with start_mlflow_server(shelf.state, port=port, database=f"sqlite:///{shelf.state}/mlflow.db"):
            wait_until("it is ready", lambda: platform("GET", "/health/ready").status == 200)
            assert platform("POST", PREDICT, RECORD).status == 200
        wait_until(
            "it notes the loss", lambda: "MLflow" in platform("GET", "/models/small").document["problem"]
        )
        assert platform("POST", PREDICT, RECORD).status == 200


def test_keys_are_asked_for(shelf: ModelShelf, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    made = [
        subprocess.run(
            [COMMAND, "key", *words, "--file", str(file)],
            check=True, capture_output=True, text=True,
        ).stdout.strip()
        for words in (["user"], ["boss", "--admin"])
    ]  # fmt: skip
    assert file.stat().st_mode & 0o777 == 0o600
    assert not any(key in file.read_text() for key in made)
    with run_model_server(shelf.state, workers=1, keys_file=file, host="0.0.0.0") as platform:  # noqa: S104  with keys
        user, boss = ({"X-API-Key": key} for key in made)
        assert platform("POST", PREDICT, RECORD).status == 401
        assert platform("POST", PREDICT, RECORD, user).status == 200
        assert platform("POST", "/models/small/reload", {}, user).status == 403
        assert platform("POST", "/models/small/reload", {}, boss).status == 200


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SERVICIO_ML_HOST": "0.0.0.0"}, "SERVICIO_ML_HOST: '0.0.0.0' can be reached from other machines"),  # noqa: S104
        ({"SERVICIO_ML_KEYS_FILE": "/nowhere/keys"}, "SERVICIO_ML_KEYS_FILE"),
        ({"SERVICIO_ML_WORKERS": "0"}, "SERVICIO_ML_WORKERS"),
        ({"SERVICIO_ML_REDIS_URL": "localhost"}, "SERVICIO_ML_REDIS_URL"),
        ({"SERVICIO_ML_LOG_URL": "mysql://x"}, "SERVICIO_ML_LOG_URL"),
        ({"SERVICIO_ML_OTLP_ENDPOINT": "collector"}, "SERVICIO_ML_OTLP_ENDPOINT"),
    ],
    ids=["open", "no file", "no workers", "redis", "log", "traces"],
)
def test_wrong_settings_stop_the_start(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    done = _start_and_fail(tmp_path, settings)
    assert said in done


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"SERVICIO_ML_PORT: {port} is taken" in _start_and_fail(
            tmp_path, {"SERVICIO_ML_PORT": str(port)}
        )


def _start_and_fail(state: Path, settings: dict[str, str]) -> str:
    done = subprocess.run(
        [COMMAND, "serve"],
        check=False, capture_output=True, text=True, timeout=60,
        env={**os.environ, "SERVICIO_ML_STATE_DIR": str(state), "SERVICIO_ML_GRPC_PORT": "0", **settings},
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_backlog_of_the_stream_is_a_metric(shelf: ModelShelf, tmp_path: Path) -> None:
    with (
        start_redis_server(tmp_path) as address,
        run_model_server(shelf.state, workers=1, redis_url=address) as platform,
    ):
        for _ in range(3):
            assert platform("POST", "/models/small/enqueue", RECORD).status == 202
        assert platform.read_metric("servicio_ml_stream_lag", model="small") == 3
        assert platform.read_metric("servicio_ml_stream_lag", model="price") == 0


def test_the_log_is_json_lines(platform: ModelServer) -> None:
    answer = platform("POST", PREDICT, RECORD, {"X-Request-ID": "find-me"})

    def read_lines() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in platform.lines.read_text().splitlines()]
        return [line for line in lines if line["request_id"] == "find-me"]

    wait_until("the line is written", read_lines)
    (line,) = read_lines()
    assert line["prediction_id"] == answer.document["prediction_id"]
    shown = platform.errors.read_text().splitlines()[3:]
    assert all(json.loads(line)["level"] in {"info", "warning", "error"} for line in shown)


def test_champion_is_an_alias_like_others(platform: ModelServer) -> None:
    assert platform("POST", f"{PREDICT}?alias={CHAMPION}", RECORD).status == 200
