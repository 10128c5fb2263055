"""`make demo`: live traffic for the running platform, with a drift after a while and late ground truth."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from deploy.embedded.demo.model_client import ModelClient
from deploy.embedded.demo.rows import DemoRow, load_rows, plan_fault
from deploy.embedded.prepare import NEIGHBOUR
from deploy.embedded.settings import PlatformError, PlatformSetup, build_local_url
from servicio_ml import bootstrap
from servicio_ml.errors import StoreError, UseCaseError
from servicio_ml.use_cases.catalogue import find

TICK_SECONDS = 1.0
REPORT_SECONDS = 60.0
MINUTE_SECONDS = 60.0
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """Rate and times of the traffic.

    Attributes:
        rate: Rows per second, of all models.
        minutes: Duration, in minutes.
        drift_after: Time until the drift begins, in minutes.
        label_after: Time between a prediction and its ground truth, in seconds.
        seed: Random seed.
    """

    rate: float
    minutes: float
    drift_after: float
    label_after: float
    seed: int = 0


def run_demo(setup: PlatformSetup, plan: DemoPlan, clock: Callable[[], float] = time.monotonic) -> None:
    """Send traffic to every model of the server until the time is up.

    Raises:
        PlatformError: The server does not answer or rejects the key, or rows exist for none of its models.
    """
    key = setup.settings.api_key_file
    headers = {"X-API-Key": key.read_text().strip()} if key else {}
    with (
        httpx.Client(base_url=setup.api_url, headers=headers, timeout=TIMEOUT_SECONDS) as api,
        _translate_errors(setup),
    ):
        clients = list(_create_clients(setup, api, plan))
        if not clients:
            raise PlatformError("the server has no model that rows exist for; train one: make up")
        _print_plan(setup, plan)
        _send_until_end(clients, plan, clock)


@contextmanager
def _translate_errors(setup: PlatformSetup) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPStatusError as error:
        url, status = error.request.url, error.response.status_code
        problem = f"{url} answers {status}; if it requires a key, set SERVICIO_ML_API_KEY_FILE to its file"
        raise PlatformError(problem) from error
    except httpx.TransportError as error:
        raise PlatformError(f"{setup.api_url} does not answer ({error}); is it up? make status") from error
    except KeyboardInterrupt:
        print("ended")


def _create_clients(setup: PlatformSetup, api: httpx.Client, plan: DemoPlan) -> Iterator[ModelClient]:
    data_dir = setup.settings.data_dir
    folders = [data_dir] if data_dir else [NEIGHBOUR]
    store = bootstrap.open_lake(setup.settings)
    index = api.get("/").raise_for_status().json()
    names = sorted(index["models"], key=lambda name: name != index["default_model"])
    for i, name in enumerate(names):
        fields = api.get(f"/models/{name}/schema").raise_for_status().json()["fields"]
        try:
            use_case = find(name, setup.settings.use_cases_dir)
            source, rows = load_rows(use_case, [each["name"] for each in fields], folders, store)
        except (UseCaseError, StoreError) as error:
            print(f"{name}: skipped: {error}")
            continue
        # every other model drifts as a whole, the others lose one sensor: two different findings
        fault = plan_fault(fields, every_number=i % 2 == 1)
        print(f"{name}: {source}; after {plan.drift_after:g} minutes {fault}", flush=True)
        yield ModelClient(model=name, rows=rows, fault=fault, api=api)


def _print_plan(setup: PlatformSetup, plan: DemoPlan) -> None:
    pages = build_local_url(setup.options.streamlit_port)
    prometheus = build_local_url(setup.options.prometheus_port)
    print(
        f"{plan.rate:g} rows per second for {plan.minutes:g} minutes, ground truth {plan.label_after:g} s "
        f"later; Ctrl-C ends it\npages: {pages}; alerts, about 25 minutes after the drift "
        f"(6 after `make up RULE_STEP=1m`): {prometheus}/alerts",
        flush=True,
    )


def _send_until_end(clients: Sequence[ModelClient], plan: DemoPlan, clock: Callable[[], float]) -> None:
    rng, pause = random.Random(plan.seed), threading.Event()  # noqa: S311  no secret
    started, reported, due, drifting = clock(), clock(), 0.0, False
    while (now := clock()) - started < plan.minutes * MINUTE_SECONDS:
        if not drifting and now - started >= plan.drift_after * MINUTE_SECONDS:
            drifting = True
            print("the drift begins", flush=True)
        # fractions of a row are carried over to the next second
        due += plan.rate * TICK_SECONDS
        count = int(due / len(clients))
        due -= count * len(clients)
        for client in clients:
            rows = [_draw_row(client, rng, drifting=drifting) for _ in range(count)]
            client.send(rows, now + plan.label_after)
            client.send_due_labels(now)
        if now - reported >= REPORT_SECONDS:
            reported = now
            print(f"{(now - started) / MINUTE_SECONDS:.0f} min: {_summarize(clients)}", flush=True)
        pause.wait(max(0.0, now + TICK_SECONDS - clock()))
    print(f"done: {_summarize(clients)}")


def _draw_row(client: ModelClient, rng: random.Random, *, drifting: bool) -> DemoRow:
    row = next(client.rows)
    return DemoRow(record=client.fault.apply(row.record, rng), truth=row.truth) if drifting else row


def _summarize(clients: Sequence[ModelClient]) -> str:
    total: Counter[str] = sum((client.counts for client in clients), Counter())
    return ", ".join(f"{count} {kind}" for kind, count in total.items()) or "nothing yet"
