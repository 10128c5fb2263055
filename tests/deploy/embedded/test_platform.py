"""`make up` from a clean clone, by a user without privileges: everything runs, stops, and is there again."""

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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from documents import ROOT
from servers import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
VARIABLES = {
    "api": "SERVICIO_ML_PORT",
    "grpc": "SERVICIO_ML_GRPC_PORT",
    "mlflow": "MLFLOW_PORT",
    "streamlit": "STREAMLIT_PORT",
    "prometheus": "PROMETHEUS_PORT",
    "alertmanager": "ALERTMANAGER_PORT",
    "redis": "REDIS_PORT",
    "stream-worker": "STREAM_METRICS_PORT",
}
MODEL = "heart_disease"
"""The smallest: what is tried here is the platform, and the default trains for minutes beside other tests."""
BUDGET = {
    "USE_CASES": MODEL, "SERVICIO_ML_DEFAULT_MODEL": MODEL, "TRAIN_SECONDS": "1", "FETCH_SECONDS": "0",
}  # fmt: skip
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
        folder: Of the repository.
        environment: Of the user.
        ports: By part.
        user: Who it is, where it is not who runs the test.
        prefix: That takes root's privileges away.
    """

    folder: Path
    environment: Mapping[str, str]
    ports: Mapping[str, int]
    user: int | None
    prefix: list[str]
    terminals: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def url(self, part: str) -> str:
        return f"http://127.0.0.1:{self.ports[part]}"

    def make(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """What a user sees who runs make in another terminal."""
        return subprocess.run(
            self._words(*words), cwd=self.folder, env={**self.environment, **variables}, user=self.user,
            group=self.user, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=FIRST_SECONDS,
        )  # fmt: skip

    @contextmanager
    def up(self, limit: float) -> Iterator["Terminal"]:
        """A terminal with `make up` in it, once everything is ready."""
        with tempfile.TemporaryFile("w+") as screen, _every_processor():
            process = subprocess.Popen(
                self._words("up"), cwd=self.folder, env=self.environment, user=self.user, group=self.user,
                stdout=screen, stderr=screen, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            self.terminals.append(process)
            terminal = Terminal(process=process, screen=screen.fileno())
            terminal.until(READY, limit)
            yield terminal
            terminal.interrupt()

    def _words(self, *words: str) -> list[str]:
        # its environment is the test's, which is newer than the clone's files
        return [*self.prefix, "make", "--old-file=.venv/.ready", *words]

    def processes(self) -> list[str]:
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

    def text(self) -> str:
        return os.pread(self.screen, 1 << 22, 0).decode()

    def until(self, what: str, limit: float) -> None:
        end = time.monotonic() + limit
        while what not in self.text():
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < end, f"not within {limit} s: {what}\n{self.text()}"
            threading.Event().wait(BETWEEN_LOOKS_SECONDS)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=STOP_SECONDS)


@contextmanager
def _every_processor() -> Iterator[None]:
    """A worker of pytest-xdist has one processor; the platform takes what the machine has."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def _unprivileged(folder: Path) -> tuple[int | None, list[str]]:
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


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    for program in ("git", "make"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}")
    # pytest's own folders are closed to other users
    with tempfile.TemporaryDirectory(prefix="servicio-ml-") as name:
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
        (folder / ".venv").symlink_to(sys.prefix)
        user, prefix = _unprivileged(place)
        if user is not None:
            subprocess.run(["chown", "--recursive", f"{user}:{user}", place], check=True)
        made = Clone(
            folder=folder, ports={part: free_port() for part in VARIABLES}, user=user, prefix=prefix,
            environment={},
        )  # fmt: skip
        made.environment = {
            **BUDGET,
            **{variable: str(made.ports[part]) for part, variable in VARIABLES.items()},
            "PATH": os.environ["PATH"],
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


def _until(what: str, holds: Any) -> Any:
    """What it gives as soon as that is something."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        with suppress(httpx.TransportError):
            if found := holds():
                return found
        assert time.monotonic() < end, f"not within {WAIT_SECONDS} s: {what}"
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)


def _record(clone: Clone) -> Mapping[str, Any]:
    fields = httpx.get(f"{clone.url('api')}/models/{MODEL}/schema").raise_for_status().json()["fields"]
    return {each["name"]: each["example"] for each in fields}


def _champion(clone: Clone) -> Mapping[str, Any]:
    """The champion as MLflow's server tells of it."""
    asked = {"name": MODEL, "alias": "champion"}
    answer = httpx.get(f"{clone.url('mlflow')}/api/2.0/mlflow/registered-models/alias", params=asked)
    found: Mapping[str, Any] = answer.raise_for_status().json()["model_version"]
    return found


def test_everything_from_a_clean_clone(clone: Clone) -> None:
    if shutil.which("prometheus") is None or shutil.which("chromium") is None:
        pytest.skip("no prometheus or chromium; install the Debian packages prometheus and chromium")
    with clone.up(FIRST_SECONDS) as terminal:
        assert "look-alike rows: the original is not here" in terminal.text()
        answer = httpx.post(f"{clone.url('api')}/predict", json=_record(clone)).raise_for_status()
        assert answer.json()["label"] in {"absent", "present"}
        _see_it_measured(clone)
        _see_the_page(clone)
        champion = _champion(clone)
        _see_the_run(clone, champion)
        _see_the_hook(clone)
        assert "is up already" in clone.make("up").stdout
        _see_a_crash_mended(clone, terminal)
        terminal.interrupt()
        assert "stopped; what was trained, predicted and measured is kept" in terminal.text()
    assert clone.processes() == []
    _see_a_port_in_use_named(clone)

    begun = time.monotonic()
    with clone.up(LATER_SECONDS) as again:
        assert time.monotonic() - begun < LATER_SECONDS
        assert "tune" not in again.text()
        assert _champion(clone)["version"] == champion["version"]
        told = {"prediction_id": answer.json()["prediction_id"], "actual": "absent"}
        kept = httpx.post(f"{clone.url('api')}/models/{MODEL}/feedback", json=told)
        assert kept.json()["status"] == "accepted", kept.text
        assert clone.make("down").returncode == 0
        again.process.wait(timeout=STOP_SECONDS)
    assert clone.processes() == []
    assert "no platform runs here" in clone.make("status").stdout


def _see_it_measured(clone: Clone) -> None:
    asked = {"query": f'servicio_ml_predictions_total{{model="{MODEL}"}} >= 1'}
    url = f"{clone.url('prometheus')}/api/v1/query"
    _until("the prediction in Prometheus", lambda: httpx.get(url, params=asked).json()["data"]["result"])


def _see_the_page(clone: Clone) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(clone.url("streamlit"))
        named = re.compile(MODEL.replace("_", " "), re.IGNORECASE)
        expect(page.get_by_label("Use case")).to_have_value(named, timeout=WAIT_SECONDS * 1000)
        expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=WAIT_SECONDS * 1000)
        browser.close()


def _see_the_run(clone: Clone, champion: Mapping[str, Any]) -> None:
    url = f"{clone.url('mlflow')}/api/2.0/mlflow/runs/get"
    run = httpx.get(url, params={"run_id": champion["run_id"]}).raise_for_status().json()["run"]
    assert run["info"]["status"] == "FINISHED"
    assert run["data"]["metrics"]


def _see_the_hook(clone: Clone) -> None:
    """It is open to who has the token, which only its owner can read."""
    token = clone.folder / "var" / "secrets" / "hook_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    url, told = f"{clone.url('api')}/hooks/alertmanager", {"version": "4", "alerts": []}
    assert httpx.post(url, json=told).status_code == httpx.codes.UNAUTHORIZED
    let_in = httpx.post(url, json=told, headers={"Authorization": f"Bearer {token.read_text()}"})
    assert let_in.json() == {"decisions": []}


def _see_a_crash_mended(clone: Clone, terminal: Terminal) -> None:
    """A part that is killed is started again, and named with the end of its log."""
    [row] = [line for line in clone.make("status").stdout.splitlines() if line.startswith("│ api ")]
    pid = int(row.split("│")[3])
    os.kill(pid, signal.SIGKILL)
    terminal.until("all of it: make logs PART=api", WAIT_SECONDS)
    ready = f"{clone.url('api')}/health/ready"
    _until("the server is back", lambda: httpx.get(ready).is_success)


def _see_a_port_in_use_named(clone: Clone) -> None:
    port = clone.ports["streamlit"]
    with socket.create_server(("127.0.0.1", port)):
        refused = clone.make("up")
    assert refused.returncode != 0
    assert f"port {port}, which Pages wants, is taken" in refused.stdout
    assert "make up STREAMLIT_PORT=" in refused.stdout
    assert clone.processes() == []
