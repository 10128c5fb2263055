"""The scheduler makes a report when there is enough to report, and then once a day."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest

from deploy.embedded import settings
from deploy.embedded.components import platform_builder
from deploy.embedded.readiness import is_ready
from deploy.embedded.scheduler import DAY_SECONDS, FIRST_ROWS, ReportSchedule
from servers import find_free_port

START = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


@dataclass(slots=True)
class FakeServer:
    """A server with logged rows and reports, at a time that the test sets.

    Attributes:
        rows: Logged rows by model.
        reports: Time of the latest report by model.
        code: Exit code of the command that makes a report.
    """

    rows: dict[str, int] = field(default_factory=dict)
    reports: dict[str, float] = field(default_factory=dict)
    now: float = START
    code: int = 0
    made: list[str] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer as the server does."""
        _, _, model, *rest = f"{request.url.path}//".split("/")
        if not model:
            return httpx.Response(200, json={"models": list(self.rows)})
        if rest[1] != "report":
            return httpx.Response(200, json={"rows": self.rows[model]})
        if model not in self.reports:
            return httpx.Response(404, json={})
        end = datetime.fromtimestamp(self.reports[model], UTC).isoformat()
        return httpx.Response(200, json={"window": {"end": end}})

    def run_report(self, model: str) -> int:
        """Make a report unless it fails."""
        self.made.append(model)
        if not self.code:
            self.reports[model] = self.now
        return self.code


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def schedule(server: FakeServer) -> Iterator[ReportSchedule]:
    with httpx.Client(base_url="http://api", transport=httpx.MockTransport(server.answer)) as api:
        yield ReportSchedule(api, server.run_report, lambda: server.now)


def test_the_first_report_waits_for_enough_rows(server: FakeServer, schedule: ReportSchedule) -> None:
    server.rows = {"rain": FIRST_ROWS - 1, "cars": FIRST_ROWS}
    assert schedule.run_due() == ["cars"]
    server.rows["rain"] += 1
    assert schedule.run_due() == ["rain"]
    assert schedule.run_due() == []


def test_a_report_is_made_once_a_day(server: FakeServer, schedule: ReportSchedule) -> None:
    server.rows, server.reports = {"rain": 5000}, {"rain": START - DAY_SECONDS + 60}
    assert schedule.run_due() == []
    server.now += 60
    assert schedule.run_due() == ["rain"]
    server.now += DAY_SECONDS - 1
    assert schedule.run_due() == []
    server.now += 1
    assert schedule.run_due() == ["rain"]


def test_few_rows_are_reported_after_a_day_and_none_never(
    server: FakeServer, schedule: ReportSchedule
) -> None:
    server.rows = {"rain": 3, "cars": 0}
    assert schedule.run_due() == []
    server.now += DAY_SECONDS
    assert schedule.run_due() == ["rain"]


def test_a_failure_is_tried_again_after_a_day(
    server: FakeServer, schedule: ReportSchedule, capsys: pytest.CaptureFixture[str]
) -> None:
    server.rows, server.code = {"rain": 5000}, 3
    assert schedule.run_due() == ["rain"]
    assert "exit code 3" in capsys.readouterr().out
    server.now += DAY_SECONDS - 1
    assert schedule.run_due() == []
    server.now += 1
    assert schedule.run_due() == ["rain"]


def test_the_platform_runs_it(bare: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.setenv("SERVICIO_ML_PORT", str(find_free_port()))
    made = platform_builder.build_platform(settings.read_setup())
    component = made.find_component("scheduler")
    assert component is not None
    assert is_ready(component)
    assert component.command[0] == sys.executable
    environment = {**os.environ, **made.variables}
    with subprocess.Popen(
        list(component.command), env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        # nobody answers yet: it says so and goes on
        assert "the server does not answer" in process.stdout.readline()
        assert process.poll() is None
        process.terminate()
