"""`make up` from a clean clone, by a user without privileges: everything runs, stops, and is there again.

The machine has no Redis and none of the programs of monitoring: they are downloaded from a mirror on
loopback, which has archives of Debian's programs and a stand-in for Grafana.
"""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

import grafana_stand_in
from archives import (
    build_folder_release,
    build_installed_release,
    name_archives,
    run_mirror,
    write_table,
)
from documents import ROOT
from servers import find_free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
VARIABLES = {
    "api": "SERVICIO_ML_PORT",
    "grpc": "SERVICIO_ML_GRPC_PORT",
    "mlflow": "MLFLOW_PORT",
    "streamlit": "STREAMLIT_PORT",
    "prometheus": "PROMETHEUS_PORT",
    "alertmanager": "ALERTMANAGER_PORT",
    "grafana": "GRAFANA_PORT",
    "redis": "REDIS_PORT",
    "stream-worker": "STREAM_METRICS_PORT",
}
MODEL = "heart_disease"
"""The smallest: what is tried here is the platform, and the default trains for minutes beside other tests."""
BUDGET = {
    "USE_CASES": MODEL, "SERVICIO_ML_DEFAULT_MODEL": MODEL, "TRAIN_SECONDS": "1", "FETCH_SECONDS": "0",
}  # fmt: skip
MISSING_PROGRAMS = {
    *("prometheus", "prometheus-alertmanager", "alertmanager", "grafana", "statsd_exporter"),
    *("prometheus-statsd-exporter", "redis-server", "valkey-server"),
}
READY = "Ctrl-C, or `make down` elsewhere"
FIRST_SECONDS, STOP_SECONDS, WAIT_SECONDS = 600, 60, 90
LATER_SECONDS = 60
"""20 on a machine of its own (docs/deploy-embedded.md); other tests run beside this one."""
BETWEEN_LOOKS_SECONDS = 0.2
NOBODY = 65534
UNPRIVILEGED = ("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs")
"""Options of setpriv for a root that may do no more than others."""


@dataclass(slots=True, kw_only=True)
class Clone:
    """A clean clone with a user's terminals.

    Attributes:
        folder: Folder of the repository's clone.
        environment: Variables of the user.
        ports: By part.
        user: Who it is, where it is not who runs the test.
        prefix: Command that drops root's privileges.
    """

    folder: Path
    environment: Mapping[str, str]
    ports: Mapping[str, int]
    user: int | None
    prefix: list[str]
    terminals: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def build_url(self, part: str) -> str:
        return f"http://127.0.0.1:{self.ports[part]}"

    def make(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """What a user sees who runs make in another terminal."""
        return subprocess.run(
            self._build_command(*words), cwd=self.folder, env={**self.environment, **variables},
            user=self.user,
            group=self.user, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=FIRST_SECONDS,
        )  # fmt: skip

    @contextmanager
    def start_platform(self, limit: float) -> Iterator["Terminal"]:
        """A terminal with `make up` in it, once everything is ready."""
        with tempfile.TemporaryFile("w+") as screen, _use_every_processor():
            process = subprocess.Popen(
                self._build_command("up"), cwd=self.folder, env=self.environment, user=self.user,
                group=self.user,
                stdout=screen, stderr=screen, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            self.terminals.append(process)
            terminal = Terminal(process=process, screen=screen.fileno())
            terminal.wait_for_text(READY, limit)
            yield terminal
            terminal.interrupt()

    def _build_command(self, *words: str) -> list[str]:
        # its environment is the test's, which is newer than the clone's files
        return [*self.prefix, "make", "--old-file=.venv/.ready", *words]

    def list_processes(self) -> list[str]:
        """The command lines of the user's processes that belong to the clone."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if str(self.folder) in words:
                    found.append(words)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """A process and what it has said."""

    process: subprocess.Popen[bytes]
    screen: int

    def read_text(self) -> str:
        return os.pread(self.screen, 1 << 22, 0).decode()

    def wait_for_text(self, what: str, limit: float) -> None:
        end = time.monotonic() + limit
        while what not in self.read_text():
            assert self.process.poll() is None, self.read_text()
            assert time.monotonic() < end, f"not within {limit} s: {what}\n{self.read_text()}"
            threading.Event().wait(BETWEEN_LOOKS_SECONDS)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=STOP_SECONDS)


@contextmanager
def _use_every_processor() -> Iterator[None]:
    """A worker of pytest-xdist has one processor; the platform takes what the machine has."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def _drop_privileges(folder: Path) -> tuple[int | None, list[str]]:
    """Whom to run as, and through what: nobody for root, or a root that may do no more than others."""
    if os.geteuid() != 0:
        return None, []
    try:
        subprocess.run(
            [sys.executable, "-c", "import servicio_ml"], user=NOBODY, group=NOBODY, cwd=folder, check=True,
            capture_output=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        pass  # the interpreter is in root's own folder
    else:
        return NOBODY, []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip(
            "nobody cannot read this environment, and there is no setpriv (Debian package util-linux)"
        )
    return None, [setpriv, *UNPRIVILEGED]


def _link_programs(folder: Path) -> None:
    """Link the programs of the PATH except those that the platform is to download."""
    folder.mkdir()
    for program in (each for path in os.get_exec_path() for each in Path(path).glob("*")):
        if program.name not in MISSING_PROGRAMS and not (folder / program.name).is_symlink():
            (folder / program.name).symlink_to(program)


@contextmanager
def _serve_releases(folder: Path) -> Iterator[str]:
    """Serve releases whose hashes the table of the clone has; yield the address of the mirror."""
    stand_in = folder.parent / "grafana"
    grafana_stand_in.write_program(stand_in, folder / "tests" / "grafana_stand_in.py")
    archives = {
        "prometheus": build_installed_release("prometheus", "prometheus", "prometheus"),
        "alertmanager": build_installed_release("prometheus-alertmanager", "alertmanager", "alertmanager"),
        "grafana": build_folder_release(stand_in),
    }
    write_table(folder / "deploy" / "embedded" / "releases" / "releases.toml", archives)
    with run_mirror(name_archives(archives)) as mirror:
        yield mirror.url


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    for program in ("git", "make"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}")
    # pytest's own folders are closed to other users
    with tempfile.TemporaryDirectory(prefix="servicio-ml-") as name, ExitStack() as stack:
        place = Path(name)
        folder, home = place / "repository", place / "home"
        done = subprocess.run(
            ["git", "clone", "--quiet", "--no-hardlinks", ROOT, folder],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"not a git checkout: {done.stderr.strip()}")
        home.mkdir()
        _link_programs(place / "bin")
        mirror = stack.enter_context(_serve_releases(folder))
        (folder / ".venv").symlink_to(sys.prefix)
        user, prefix = _drop_privileges(place)
        if user is not None:
            subprocess.run(["chown", "--recursive", f"{user}:{user}", place], check=True)
        made = Clone(
            folder=folder, ports={part: find_free_port() for part in VARIABLES}, user=user, prefix=prefix,
            environment={},
        )  # fmt: skip
        made.environment = {
            **BUDGET,
            **{variable: str(made.ports[part]) for part, variable in VARIABLES.items()},
            "PATH": str(place / "bin"),
            "PROGRAMS": "yes",
            "PROGRAMS_MIRROR": mirror,
            "HOME": str(home),
            "PYTHONPATH": str(folder / "servicio-ml" / "src"),
        }
        try:
            yield made
        finally:
            made.make("down")
            for terminal in made.terminals:
                with suppress(ProcessLookupError):
                    os.killpg(terminal.pid, signal.SIGKILL)
                terminal.wait()


def _wait_until(what: str, holds: Any) -> Any:
    """What it gives as soon as that is something."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        with suppress(httpx.TransportError):
            if found := holds():
                return found
        assert time.monotonic() < end, f"not within {WAIT_SECONDS} s: {what}"
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)


def _record(clone: Clone) -> Mapping[str, Any]:
    fields = httpx.get(f"{clone.build_url('api')}/models/{MODEL}/schema").raise_for_status().json()["fields"]
    return {each["name"]: each["example"] for each in fields}


def _read_champion(clone: Clone) -> Mapping[str, Any]:
    """Read the champion from MLflow's server."""
    asked = {"name": MODEL, "alias": "champion"}
    answer = httpx.get(f"{clone.build_url('mlflow')}/api/2.0/mlflow/registered-models/alias", params=asked)
    found: Mapping[str, Any] = answer.raise_for_status().json()["model_version"]
    return found


def test_everything_from_a_clean_clone(clone: Clone) -> None:
    if shutil.which("prometheus") is None or shutil.which("chromium") is None:
        pytest.skip("no prometheus or chromium; install the Debian packages prometheus and chromium")
    with clone.start_platform(FIRST_SECONDS) as terminal:
        assert "synthetic rows, because the original is not available" in terminal.read_text()
        answer = httpx.post(f"{clone.build_url('api')}/predict", json=_record(clone)).raise_for_status()
        assert answer.json()["label"] in {"absent", "present"}
        _assert_it_is_measured(clone)
        _assert_the_programs_are_downloaded(clone)
        _assert_the_page_answers(clone)
        champion = _read_champion(clone)
        _assert_the_run_is_logged(clone, champion)
        _assert_the_hook_is_protected(clone)
        assert "is up already" in clone.make("up").stdout
        _assert_a_crash_is_mended(clone, terminal)
        terminal.interrupt()
        assert "stopped; models, predictions and metrics are kept" in terminal.read_text()
    assert clone.list_processes() == []
    _assert_a_port_in_use_is_named(clone)

    started = time.monotonic()
    with clone.start_platform(LATER_SECONDS) as again:
        assert time.monotonic() - started < LATER_SECONDS
        assert "tune" not in again.read_text()
        assert _read_champion(clone)["version"] == champion["version"]
        truth = {"prediction_id": answer.json()["prediction_id"], "actual": "absent"}
        kept = httpx.post(f"{clone.build_url('api')}/models/{MODEL}/feedback", json=truth)
        assert kept.json()["status"] == "accepted", kept.text
        assert clone.make("down").returncode == 0
        again.process.wait(timeout=STOP_SECONDS)
    assert clone.list_processes() == []
    state = clone.folder / "var"
    assert f"no platform runs under {state}" in clone.make("status").stdout


def _assert_it_is_measured(clone: Clone) -> None:
    asked = {"query": f'servicio_ml_predictions_total{{model="{MODEL}"}} >= 1'}
    url = f"{clone.build_url('prometheus')}/api/v1/query"
    _wait_until("the prediction in Prometheus", lambda: httpx.get(url, params=asked).json()["data"]["result"])


def _assert_the_programs_are_downloaded(clone: Clone) -> None:
    """Check that what the machine lacks runs from the state folder, and Valkey from its package."""
    running = clone.list_processes()
    programs = clone.folder / "var" / "programs"
    for name in ("prometheus", "alertmanager"):
        assert any(each.startswith(f"{programs}/{name}-") for each in running), running
    # valkey shows its title instead of its path
    assert b"valkey" in subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout
    found = httpx.get(f"{clone.build_url('grafana')}/stand-in").raise_for_status().json()
    assert found["sources"][0]["url"] == clone.build_url("prometheus")
    assert "servicio-ml-overview" in found["dashboards"]
    status = clone.make("status").stdout
    assert f"{clone.build_url('grafana')}/d/servicio-ml-overview" in status
    assert "scheduler" in status


def _assert_the_page_answers(clone: Clone) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(clone.build_url("streamlit"))
        named = re.compile(MODEL.replace("_", " "), re.IGNORECASE)
        expect(page.get_by_label("Use case")).to_have_value(named, timeout=WAIT_SECONDS * 1000)
        expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=WAIT_SECONDS * 1000)
        browser.close()


def _assert_the_run_is_logged(clone: Clone, champion: Mapping[str, Any]) -> None:
    url = f"{clone.build_url('mlflow')}/api/2.0/mlflow/runs/get"
    run = httpx.get(url, params={"run_id": champion["run_id"]}).raise_for_status().json()["run"]
    assert run["info"]["status"] == "FINISHED"
    assert run["data"]["metrics"]


def _assert_the_hook_is_protected(clone: Clone) -> None:
    """Check that the hook needs the token, which only its owner can read."""
    token = clone.folder / "var" / "secrets" / "hook_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    url, notification = f"{clone.build_url('api')}/hooks/alertmanager", {"version": "4", "alerts": []}
    assert httpx.post(url, json=notification).status_code == httpx.codes.UNAUTHORIZED
    let_in = httpx.post(url, json=notification, headers={"Authorization": f"Bearer {token.read_text()}"})
    assert let_in.json() == {"decisions": [], "unnamed_alerts": 0}


def _assert_a_crash_is_mended(clone: Clone, terminal: Terminal) -> None:
    """A part that is killed is started again, and named with the end of its log."""
    [row] = [line for line in clone.make("status").stdout.splitlines() if line.startswith("│ api ")]
    pid = int(row.split("│")[3])
    os.kill(pid, signal.SIGKILL)
    terminal.wait_for_text("the complete log: make logs COMPONENT=api", WAIT_SECONDS)
    ready = f"{clone.build_url('api')}/health/ready"
    _wait_until("the server is back", lambda: httpx.get(ready).is_success)


def _assert_a_port_in_use_is_named(clone: Clone) -> None:
    port = clone.ports["streamlit"]
    with socket.create_server(("127.0.0.1", port)):
        refused = clone.make("up")
    assert refused.returncode != 0
    assert f"port {port}, which Pages wants, is taken" in refused.stdout
    assert "make up STREAMLIT_PORT=" in refused.stdout
    assert clone.list_processes() == []
