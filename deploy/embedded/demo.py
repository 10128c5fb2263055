"""`make demo`: live traffic for the platform that runs, with a drift after a while and late ground truth."""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from deploy.embedded import demo_rows
from deploy.embedded.demo_rows import Fault, Row
from deploy.embedded.prepare import NEIGHBOUR
from deploy.embedded.settings import PlatformError, Setup, local_url
from servicio_ml.errors import UseCaseError
from servicio_ml.use_cases.catalogue import find

TICK_SECONDS = 1.0
TOLD_SECONDS = 60.0
SINGLE_SHARE = 0.3
"""Of the rows; the others come in batches, and one of each second through the stream where there is one."""
MINUTE_SECONDS = 60.0
ANSWER_SECONDS = 30.0
NOT_FOUND = 404
UNAVAILABLE = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is sent.

    Attributes:
        rate: Rows a second, of all models together.
        minutes: Until it ends by itself.
        drift_after: Minutes.
        label_after: Seconds between a prediction and its ground truth.
        seed: Of everything that is by chance.
    """

    rate: float
    minutes: float
    drift_after: float
    label_after: float
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class Client:
    """Asks one model.

    Attributes:
        model: Its name.
        rows: Without end.
        fault: That comes.
        api: The server.
        waiting: Moment to what is to be told of a prediction then.
        counts: What was done.
    """

    model: str
    rows: Iterator[Row]
    fault: Fault
    api: httpx.Client
    streams: bool = True
    waiting: deque[tuple[float, dict[str, Any]]] = field(default_factory=deque)
    counts: Counter[str] = field(default_factory=Counter)

    def send(self, rows: Sequence[Row], label_at: float) -> None:
        """Have rows predicted: some alone, one by the stream, the others together."""
        alone = round(len(rows) * SINGLE_SHARE)
        for row in rows[:alone]:
            self._predict([row], label_at)
        together = rows[alone:]
        if self.streams and together:
            self._enqueue(together[0])
            together = together[1:]
        if together:
            self._predict(together, label_at)

    def label(self, now: float) -> None:
        """Tell what has happened by now."""
        due = []
        while self.waiting and self.waiting[0][0] <= now:
            due.append(self.waiting.popleft()[1])
        if due and self._post("feedback/batch", {"labels": due}).is_success:
            self.counts["ground truths"] += len(due)

    def _predict(self, rows: Sequence[Row], label_at: float) -> None:
        single = len(rows) == 1
        body = rows[0].record if single else {"records": [row.record for row in rows]}
        answer = self._post("predict" if single else "predict/batch", body)
        if not answer.is_success:
            self.counts["refused"] += single
            for row in rows if not single else ():  # one bad row has all refused: the others are asked alone
                self._predict([row], label_at)
            return
        told = [answer.json()] if single else answer.json()["predictions"]
        self.counts["predictions"] += len(rows)
        for row, each in zip(rows, told, strict=True):
            self.waiting.append((label_at, {"prediction_id": each["prediction_id"], "actual": row.truth}))

    def _enqueue(self, row: Row) -> None:
        answer = self._post("enqueue", row.record)
        self.streams = answer.status_code not in {NOT_FOUND, UNAVAILABLE}
        self.counts["on the stream"] += answer.is_success

    def _post(self, path: str, body: Any) -> httpx.Response:
        return self.api.post(f"/models/{self.model}/{path}", json=body)


def demo(setup: Setup, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
    """Send traffic to every model that is served until the time is up.

    Raises:
        PlatformError: There is no platform, or it serves nothing that rows can be made for.
    """
    key = setup.platform.api_key_file
    headers = {"X-API-Key": key.read_text().strip()} if key else {}
    with httpx.Client(base_url=setup.api_url, headers=headers, timeout=ANSWER_SECONDS) as api:
        try:
            clients = list(_clients(setup, api, plan))
            if not clients:
                raise PlatformError("no model is served that rows can be made for; train one by `make up`")
            _announce(setup, plan)
            _drive(clients, plan, clock)
        except httpx.HTTPStatusError as error:
            asked, code = error.request.url, error.response.status_code
            problem = f"{asked} answers {code}; where it asks for keys, SERVICIO_ML_API_KEY_FILE names a file"
            raise PlatformError(f"{problem} with one") from error
        except httpx.TransportError as error:
            raise PlatformError(
                f"{setup.api_url} does not answer ({error}); is it up? make status"
            ) from error
        except KeyboardInterrupt:
            print("ended")


def _clients(setup: Setup, api: httpx.Client, plan: Plan) -> Iterator[Client]:
    data_dir = setup.platform.data_dir
    folders = [data_dir] if data_dir else [NEIGHBOUR]
    index = api.get("/").raise_for_status().json()
    names = sorted(index["models"], key=lambda name: name != index["default_model"])
    for i, name in enumerate(names):
        try:
            use_case = find(name, setup.platform.use_cases_dir)
        except UseCaseError as error:
            print(f"{name}: left out: {error}")
            continue
        fields = api.get(f"/models/{name}/schema").raise_for_status().json()["fields"]
        what, rows = demo_rows.rows(use_case, [each["name"] for each in fields], folders, plan.seed)
        fault = demo_rows.fault(fields, every_number=i % 2 == 1)
        print(f"{name}: {what}; after {plan.drift_after:g} minutes {fault}", flush=True)
        yield Client(model=name, rows=rows, fault=fault, api=api)


def _announce(setup: Setup, plan: Plan) -> None:
    print(
        f"{plan.rate:g} rows a second for {plan.minutes:g} minutes, ground truth {plan.label_after:g} s "
        f"later; Ctrl-C ends it\npages: {local_url(setup.given.streamlit_port)}; alerts, some 25 minutes "
        f"after the drift (6 after `make up RULE_STEP=1m`): {local_url(setup.given.prometheus_port)}/alerts",
        flush=True,
    )


def _drive(clients: Sequence[Client], plan: Plan, clock: Callable[[], float]) -> None:
    chance, pause = random.Random(plan.seed), threading.Event()  # noqa: S311  no secret
    begun, told, owed, drifting = clock(), clock(), 0.0, False
    while (now := clock()) - begun < plan.minutes * MINUTE_SECONDS:
        if not drifting and now - begun >= plan.drift_after * MINUTE_SECONDS:
            drifting = True
            print("the drift begins", flush=True)
        owed += plan.rate * TICK_SECONDS
        for client in clients:
            share = _share(owed, len(clients))
            taken = [_next(client, chance, drifting=drifting) for _ in range(share)]
            client.send(taken, now + plan.label_after)
            client.label(now)
        owed -= _share(owed, len(clients)) * len(clients)
        if now - told >= TOLD_SECONDS:
            told = now
            print(f"{(now - begun) / MINUTE_SECONDS:.0f} min: {_sum(clients)}", flush=True)
        pause.wait(max(0.0, now + TICK_SECONDS - clock()))
    print(f"done: {_sum(clients)}")


def _share(owed: float, clients: int) -> int:
    """Rows that each model is sent now."""
    return int(owed / clients)


def _next(client: Client, chance: random.Random, *, drifting: bool) -> Row:
    row = next(client.rows)
    return Row(record=client.fault.into(row.record, chance), truth=row.truth) if drifting else row


def _sum(clients: Sequence[Client]) -> str:
    total: Counter[str] = sum((client.counts for client in clients), Counter())
    return ", ".join(f"{count} {what}" for what, count in total.items()) or "nothing yet"
