"""`make airflow`: a complete Airflow on this machine, beside the embedded platform, until Ctrl-C.

Its database, logs, secrets and the generated password are in `<state>/airflow`.
"""

import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
AIRFLOW_FOLDER = ROOT / "airflow"
SECRETS = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__CORE__FERNET_KEY")
TEMPLATES = ("connections.yaml", "variables.yaml")
LOG = "standalone.log"
KEY_BYTES = 32
POLL_SECONDS = 0.5
START_SECONDS = 180
STOP_SECONDS = 10
COMPONENTS = (("api-server",), ("scheduler", "--skip-serve-logs"), ("dag-processor",))
"""Components that run; `airflow standalone` would also serve logs on every address and run a triggerer."""
PR_SET_CHILD_SUBREAPER = 36
"""Option of prctl(2) that makes this process the parent of its orphaned descendants; from <linux/prctl.h>."""


def build_environment(home: Path, state: Path) -> dict[str, str]:
    """Build the environment of Airflow's processes; variables of this process take precedence."""
    port = os.environ.get("AIRFLOW__API__PORT", "8080")
    files = {f"{Path(name).stem}_file_path": str(home / name) for name in TEMPLATES}
    defaults = {
        "AIRFLOW_CONFIG": AIRFLOW_FOLDER / "config" / "airflow.cfg",
        "AIRFLOW__CORE__DAGS_FOLDER": AIRFLOW_FOLDER / "dags",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(files),
        "SERVICIO_ML_COMMAND": ROOT / ".venv" / "bin" / "servicio-ml",
        **_load_secrets(home / "secrets.json"),
    }
    # these decide which state is used, so the caller's environment must not override them
    required = {
        "AIRFLOW_HOME": home,
        "SERVICIO_ML_STATE_DIR": state,
        "PYTHONPATH": ROOT / "servicio-ml" / "src",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    }
    return {name: str(value) for name, value in {**defaults, **os.environ, **required}.items()}


def _load_secrets(path: Path) -> dict[str, str]:
    """Load the secrets that Airflow's processes share; they are generated at the first start."""
    if not path.exists():
        generated = {name: urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode() for name in SECRETS}
        _write_private_file(path, json.dumps(generated))
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


def _load_password(home: Path) -> str:
    """Load the password of `admin`; it is generated at the first start."""
    path = home / "password"
    if not path.exists():
        _write_private_file(path, secrets.token_urlsafe())
    password = path.read_text().strip()
    _write_private_file(
        home / "simple_auth_manager_passwords.json.generated", json.dumps({"admin": password})
    )
    return password


def _write_private_file(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    # the mode is set before the secret is written
    path.touch(mode=0o600)
    path.write_text(text)


def _create_home(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    for name in TEMPLATES:
        if not (home / name).exists():
            shutil.copyfile(AIRFLOW_FOLDER / "config" / f"{name}.template", home / name)


def _is_port_taken(port: int) -> bool:
    with socket.socket() as probe:
        # without it a port in TIME_WAIT after a restart would look taken
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=5) as response:
            health = json.load(response)
    except (urllib.error.URLError, OSError):
        return False
    return all(health[component]["status"] == "healthy" for component in ("scheduler", "dag_processor"))


def _wait_until_healthy(processes: Sequence[subprocess.Popen[bytes]], url: str) -> bool:
    """Wait for Airflow to become healthy; False if it does not, or if a component has exited."""
    for _ in range(int(START_SECONDS / POLL_SECONDS)):
        if _is_healthy(url):
            return True
        if _has_exited(processes):
            break
        threading.Event().wait(POLL_SECONDS)
    return False


def _has_exited(processes: Sequence[subprocess.Popen[bytes]]) -> bool:
    return any(process.poll() is not None for process in processes)


def _stop_processes(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Stop Airflow, then its orphaned processes: a step runs in a session of its own."""
    for process in processes:
        process.terminate()
    end = time.monotonic() + STOP_SECONDS
    with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        for process in processes:
            process.wait(timeout=max(0, end - time.monotonic()))
    # again and again: killing a process hands its own children to this one
    while orphans := psutil.Process().children():
        for orphan in orphans:
            orphan.kill()
            orphan.wait()


def _adopt_orphans() -> None:
    """Become the parent of every descendant process whose own parent exits."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main() -> int:
    """Start Airflow, print its address, and stop every process at the end."""
    state = Path(os.environ.get("SERVICIO_ML_STATE_DIR", ROOT / "var")).resolve()
    home = Path(os.environ.get("AIRFLOW_HOME", state / "airflow")).resolve()
    _create_home(home)
    env = build_environment(home, state)
    if _is_port_taken(int(env["AIRFLOW__API__PORT"])):
        url = env["AIRFLOW__API__BASE_URL"]
        print(
            f"error: the address {url} is in use; choose another port: make airflow AIRFLOW_PORT=8081",
            file=sys.stderr,
        )
        return 1
    _adopt_orphans()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.default_int_handler)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        problem = _run_components(home, env, processes)
    except KeyboardInterrupt:
        return 0
    finally:
        _stop_processes(processes)
    print(f"error: {problem}; see {home / LOG}", file=sys.stderr)
    return 1


def _run_components(home: Path, env: dict[str, str], processes: list[subprocess.Popen[bytes]]) -> str:
    """Run Airflow until a component exits; return the problem."""
    url, password = env["AIRFLOW__API__BASE_URL"], _load_password(home)
    print(f"Airflow is starting; log: {home / LOG}", flush=True)
    with (home / LOG).open("wb") as log:
        subprocess.run(_build_command("db", "migrate"), stdout=log, stderr=log, env=env, check=True)
        for arguments in COMPONENTS:
            process = subprocess.Popen(
                _build_command(*arguments), stdout=log, stderr=log, env=env, start_new_session=True
            )
            processes.append(process)
    if not _wait_until_healthy(processes, url):
        return f"Airflow has not become healthy within {START_SECONDS} s"
    print(f"Airflow: {url}\nuser: admin\npassword: {password}\nCtrl-C stops it", flush=True)
    while not _has_exited(processes):
        threading.Event().wait(POLL_SECONDS)
    return "a component of Airflow has exited"


def _build_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


if __name__ == "__main__":
    sys.exit(main())
