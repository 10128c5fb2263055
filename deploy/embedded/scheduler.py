"""Scheduler of the platform: the drift report of each served model, with its verdict, every day.

In production, Airflow does this (`airflow/dags/drift_report.py`). The first report is made once enough rows
are logged, so that the page Drift does not wait for a day.
"""

import math
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

import httpx

from deploy.embedded.prepare import CLI
from servicio_ml.settings import Settings, load_settings

POLL_SECONDS = 60.0
DAY_SECONDS = 86_400.0
FIRST_ROWS = 100
"""Number of logged rows from which the first report is made; one of fewer rows waits for a day."""
TIMEOUT_SECONDS = 60.0
NICENESS = 10
"""A report takes seconds of a processor: predictions come first."""

Clock = Callable[[], float]
RunReport = Callable[[str], int]


class ReportSchedule:
    """Decides which reports are due, and makes them.

    Args:
        api: Client of the server.
        run_report: Makes the report of a model; gives the exit code.
        clock: Returns the present time in seconds since 1970.
    """

    def __init__(self, api: httpx.Client, run_report: RunReport, clock: Clock) -> None:
        self._api, self._run_report, self._clock = api, run_report, clock
        self._tried: dict[str, float] = {}
        self._seen: dict[str, float] = {}

    def run_due(self) -> Sequence[str]:
        """Make the reports that are due, one after the other; give their models."""
        due = [model for model in self._list_models() if self._is_due(model)]
        for model in due:
            # one that fails is tried again after a day: its reason does not go away by itself
            self._tried[model] = self._clock()
            print(f"{model}: the drift report is due", flush=True)
            if code := self._run_report(model):
                print(f"{model}: the report ended with exit code {code}; see above", flush=True)
        return due

    def _is_due(self, model: str) -> bool:
        now = self._clock()
        if now - self._tried.get(model, -math.inf) < DAY_SECONDS:
            return False
        last = self._read_last(model)
        if last is not None:
            return now - last >= DAY_SECONDS
        waited = now - self._seen.setdefault(model, now)
        return self._count_rows(model) >= (1 if waited >= DAY_SECONDS else FIRST_ROWS)

    def _list_models(self) -> Sequence[str]:
        models: Sequence[str] = self._get("/")["models"]
        return models

    def _count_rows(self, model: str) -> int:
        return int(self._get(f"/models/{model}/drift")["rows"])

    def _read_last(self, model: str) -> float | None:
        """Time of the latest report in seconds since 1970; None if there is none."""
        address = f"/models/{model}/drift/report"
        answer = self._api.get(address, params={"format": "json"})
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        return datetime.fromisoformat(answer.raise_for_status().json()["window"]["end"]).timestamp()

    def _get(self, address: str) -> Mapping[str, Any]:
        document: Mapping[str, Any] = self._api.get(address).raise_for_status().json()
        return document


def run_report(model: str) -> int:
    """Make the report of a model in a process of its own; its output is the scheduler's log."""
    return subprocess.call([CLI, "report", model])


def connect(settings: Settings) -> httpx.Client:
    """Client of the platform's server."""
    headers = {"X-API-Key": settings.api_key_file.read_text().strip()} if settings.api_key_file else {}
    return httpx.Client(base_url=settings.api_url, headers=headers, timeout=TIMEOUT_SECONDS)


def main() -> None:
    os.nice(NICENESS)
    with connect(load_settings()) as api:
        schedule = ReportSchedule(api, run_report, time.time)
        while True:
            try:
                schedule.run_due()
            except httpx.HTTPError as error:
                # the server starts, is restarted, or has no such model any more: the next look shows
                print(f"the server does not answer: {error}", flush=True)
            threading.Event().wait(POLL_SECONDS)


if __name__ == "__main__":
    main()
