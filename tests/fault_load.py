"""Load on a server: callers that remember every prediction id, and the log in which it must be found."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from model_server import ModelServer

RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
PREDICT = "/models/small/predict"
LABELS_PER_CALL = 500


class Load:
    """Callers that ask for predictions one after another.

    Attributes:
        ids: Prediction ids of the answers.
        statuses: Number of the answers of each status; 0 counts connections without an answer.
    """

    def __init__(self, platform: ModelServer) -> None:
        self._platform, self.stopped = platform, threading.Event()
        self.ids: list[str] = []
        self.statuses: Counter[int] = Counter()

    def send(self) -> int:
        try:
            answer = self._platform("POST", PREDICT, RECORD)
        except OSError:
            self.statuses[0] += 1
            return 0
        self.statuses[answer.status] += 1
        if answer.status == 200:
            self.ids.append(answer.document["prediction_id"])
        return answer.status

    def run(self) -> None:
        while not self.stopped.is_set():
            self.send()


@contextmanager
def run_load(platform: ModelServer, callers: int = 4) -> Iterator[Load]:
    """Ask without a pause until the context ends."""
    load = Load(platform)
    threads = [threading.Thread(target=load.run) for _ in range(callers)]
    for each in threads:
        each.start()
    try:
        yield load
    finally:
        load.stopped.set()
        for each in threads:
            each.join()


def find_unlogged(platform: ModelServer, ids: Sequence[str]) -> list[str]:
    """Find the ids that are not in the prediction log: ground truth is accepted for logged ones only."""
    receipts: list[dict[str, Any]] = []
    for start in range(0, len(ids), LABELS_PER_CALL):
        labels = [{"prediction_id": each, "actual": "yes"} for each in ids[start : start + LABELS_PER_CALL]]
        receipts += platform("POST", "/models/small/feedback/batch", {"labels": labels}).document["labels"]
    assert len(receipts) == len(ids)
    return [each["prediction_id"] for each in receipts if each["status"] != "accepted"]
