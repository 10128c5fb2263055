"""Client of one model in the demonstration: it requests predictions and sends ground truth later."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from deploy.embedded.demo.rows import DemoRow, InjectedFault

SINGLE_SHARE = 0.3
"""Share of the rows that are sent alone; the others go as one batch, and one of them through the stream."""
NOT_FOUND = 404
UNAVAILABLE = 503


@dataclass(slots=True, kw_only=True)
class ModelClient:
    """Client of one model.

    Attributes:
        model: Name of the model.
        rows: Endless rows.
        fault: Fault of the rows after the start of the drift.
        api: Client of the server.
        streams: Whether the server accepts rows for the stream.
        pending_labels: Moment, in seconds of the clock, and the ground truth that is sent then.
        counts: Number of rows, predictions and labels by kind.
    """

    model: str
    rows: Iterator[DemoRow]
    fault: InjectedFault
    api: httpx.Client
    streams: bool = True
    pending_labels: deque[tuple[float, dict[str, Any]]] = field(default_factory=deque)
    counts: Counter[str] = field(default_factory=Counter)

    def send(self, rows: Sequence[DemoRow], label_at: float) -> None:
        """Request predictions: some rows alone, one through the stream, the others as a batch."""
        count = round(len(rows) * SINGLE_SHARE)
        for row in rows[:count]:
            self._predict([row], label_at)
        batch = rows[count:]
        if self.streams and batch:
            self._enqueue(batch[0])
            batch = batch[1:]
        if batch:
            self._predict(batch, label_at)

    def send_due_labels(self, now: float) -> None:
        """Send the ground truth that is due."""
        due = []
        while self.pending_labels and self.pending_labels[0][0] <= now:
            due.append(self.pending_labels.popleft()[1])
        if due and self._post("feedback/batch", {"labels": due}).is_success:
            self.counts["ground truths"] += len(due)

    def _predict(self, rows: Sequence[DemoRow], label_at: float) -> None:
        single = len(rows) == 1
        body = rows[0].record if single else {"records": [row.record for row in rows]}
        response = self._post("predict" if single else "predict/batch", body)
        if not response.is_success:
            self.counts["refused"] += single
            # one invalid row rejects the batch: each row is sent alone
            for row in rows if not single else ():
                self._predict([row], label_at)
            return
        predictions = [response.json()] if single else response.json()["predictions"]
        self.counts["predictions"] += len(rows)
        for row, prediction in zip(rows, predictions, strict=True):
            label = {"prediction_id": prediction["prediction_id"], "actual": row.truth}
            self.pending_labels.append((label_at, label))

    def _enqueue(self, row: DemoRow) -> None:
        response = self._post("enqueue", row.record)
        # a server without a broker answers 503; it is not asked again
        self.streams = response.status_code not in {NOT_FOUND, UNAVAILABLE}
        self.counts["on the stream"] += response.is_success

    def _post(self, path: str, body: Any) -> httpx.Response:
        return self.api.post(f"/models/{self.model}/{path}", json=body)
