"""Two real servers over PostgreSQL and an MLflow server, with Prometheus, a load and its bookkeeping."""

import json
import os
import signal
import threading
import time
import urllib.error
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import yaml

from asgi import AsgiResponse
from model_server import ModelServer, ModelShelf, run_model_server
from servers import (
    PostgresServer,
    find_free_port,
    start_mlflow_server,
    start_postgres_server,
    start_prometheus_server,
)
from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase
from servicio_ml.adapters.prediction_log.postgres.log import PostgresPredictionLog
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
from servicio_ml.domain.use_case import Task
from small_use_case import generate_rows

MODEL, ROLLOUT, CHAMPION_PATH = "small", "/models/small/rollout", "/models/small/champion"
POLL_SECONDS, BATCH_ROWS, CLIENTS, LOADERS = 1, 25, 40, 2
PAUSE_SECONDS = 0.02
SETTLE_SECONDS = 4 * POLL_SECONDS
"""Time in which all replicas have heard of a change."""
NAMES = ("left", "right")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answered batch: its times, in seconds since 1970, the version and the ids of its rows."""

    asked_at: float
    answered_at: float
    client: str
    version: int
    ids: Sequence[str]


@dataclass
class ReplicaLoad:
    """Load of two replicas in turns by threads that each have their own clients.

    Attributes:
        replicas: Servers by name; a replica that is away is skipped.
        answers: What was answered.
        refused: Statuses other than 200 of running replicas.
    """

    replicas: dict[str, ModelServer]
    answers: list[Answer] = field(default_factory=list)
    refused: list[AsgiResponse] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def run(self, loader: int) -> None:
        """Send batches until the end; each client asks both replicas in turns."""
        turn = 0
        while not self._stop.wait(PAUSE_SECONDS):
            turn += 1
            client = f"client {loader} {turn % CLIENTS}"
            replica = self.replicas.get(NAMES[(turn // CLIENTS + turn) % 2])
            if replica is None:
                continue
            # a replica that is killed answers nobody; whoever asks again gets an answer by the other
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError, HTTPException):
                self._send_batch(replica, client, seed=turn * LOADERS + loader)

    def _send_batch(self, replica: ModelServer, client: str, seed: int) -> None:
        table = generate_rows(Task.BINARY, BATCH_ROWS, seed=seed)
        truths = table["outcome"].to_list()
        records = [{**each, "day": str(each["day"])[:10]} for each in table.drop("outcome").to_dicts()]
        asked_at = time.time()
        answer = replica(
            "POST", f"/models/{MODEL}/predict/batch", {"records": records}, {"X-Client-Key": client}
        )
        if answer.status != 200:
            self.refused.append(answer)
            return
        predictions = answer.document["predictions"]
        ids = [each["prediction_id"] for each in predictions]
        self.answers.append(
            Answer(
                asked_at=asked_at,
                answered_at=time.time(),
                client=client,
                version=answer.document["version"],
                ids=ids,
            )
        )
        labels = [{"prediction_id": each, "actual": truth} for each, truth in zip(ids, truths, strict=True)]
        replica("POST", f"/models/{MODEL}/feedback/batch", {"labels": labels})

    def start(self) -> None:
        for loader in range(LOADERS):
            thread = threading.Thread(target=self.run, args=(loader,))
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop, and wait for the requests in flight."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def list_histories(self) -> Mapping[str, list[Answer]]:
        """List the answers of each client in their order."""
        found = defaultdict[str, list[Answer]](list)
        for each in sorted(self.answers, key=lambda each: each.asked_at):
            found[each.client].append(each)
        return found


class RolloutPlatform:
    """The servers, and what a test does to them.

    Args:
        folder: Folder of all state.
        stack: Ends what was started.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.postgres: PostgresServer = stack.enter_context(start_postgres_server())
        self._mlflow_port, self._mlflow = find_free_port(), ExitStack()
        stack.callback(self._mlflow.close)
        self.start_mlflow()
        self.shelf = ModelShelf(folder / "shelf", self._mlflow_url)
        self._ends = {name: stack.enter_context(ExitStack()) for name in NAMES}
        self.replicas: dict[str, ModelServer] = {}
        self.load = ReplicaLoad(self.replicas)

    @property
    def _mlflow_url(self) -> str:
        return f"http://127.0.0.1:{self._mlflow_port}"

    def start_mlflow(self) -> None:
        self._mlflow.enter_context(start_mlflow_server(self._folder, port=self._mlflow_port))

    def stop_mlflow(self) -> None:
        self._mlflow.close()

    def start_replica(self, name: str) -> None:
        """Start a replica, anew if it was killed, on its own folder."""
        self._ends[name].close()
        made = run_model_server(
            self._folder / name, workers=1, log_url=self.postgres.build_url(), mlflow_url=self._mlflow_url,
            poll_seconds=POLL_SECONDS,
        )  # fmt: skip
        self.replicas[name] = self._ends[name].enter_context(made)

    def kill_replica(self, name: str) -> None:
        """Kill all processes of a replica at once."""
        killed = self.replicas.pop(name)
        os.killpg(killed.process.pid, signal.SIGKILL)
        killed.process.wait()

    def start_load(self) -> None:
        self.load.start()
        self._stack.callback(self.load.stop)

    def call(self, method: str, path: str, body: object = None, name: str = "left") -> AsgiResponse:
        return self.replicas[name](method, path, body)

    def get_rollout(self) -> Mapping[str, Any]:
        """Show the rollout by any replica that runs."""
        found: Mapping[str, Any] = self.call("GET", ROLLOUT, name=next(iter(self.replicas))).document
        return found

    @property
    def champion(self) -> int:
        found = self.shelf.registry.resolve(MODEL, CHAMPION)
        assert found is not None
        return found.version

    def add_versions(self, champion: Path, challenger: Path) -> tuple[int, int]:
        first = self.shelf.add(MODEL, champion)
        return first, self.shelf.add(MODEL, challenger, CHALLENGER)

    def read_logged(self) -> Mapping[str, int]:
        """Read the versions that have answered, by prediction id, from PostgreSQL."""
        database = LogDatabase(self.postgres.build_url())
        try:
            log = PostgresPredictionLog(database, self._folder / "none")
            ids = [each for answer in self.load.answers for each in answer.ids]
            return {key: found.version for key, found in log.find(ids).items()}
        finally:
            database.close()


@contextmanager
def start_scraping(folder: Path, replicas: Mapping[str, ModelServer], rules: object) -> Iterator[str]:
    """Run a Prometheus that scrapes the replicas each second; yield its address."""
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    targets = [each.url.removeprefix("http://") for each in replicas.values()]
    document = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": [{"job_name": "servicio-ml", "static_configs": [{"targets": targets}]}],
    }
    config = folder / "prometheus.yaml"
    config.write_text(yaml.safe_dump(document))
    with start_prometheus_server(config, folder / "tsdb") as url:
        yield url


def query(prometheus: str, expression: str) -> list[Mapping[str, Any]]:
    """Evaluate an expression now."""
    with urlopen(f"{prometheus}/api/v1/query?query={quote(expression)}") as answer:  # noqa: S310  our own server
        found: list[Mapping[str, Any]] = json.load(answer)["data"]["result"]
    return found
