"""`make airflow`: a whole Airflow on this machine, beside the embedded platform, until Ctrl-C.

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

ROOT = Path(__file__).parents[1]
HERE = ROOT / "airflow"
SECRETS = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__CORE__FERNET_KEY")
TEMPLATES = ("connections.yaml", "variables.yaml")
LOG = "standalone.log"
KEY_BYTES = 32
BETWEEN_LOOKS_SECONDS = 0.5
START_SECONDS = 180
STOP_SECONDS = 10
COMPONENTS = (("api-server",), ("scheduler", "--skip-serve-logs"), ("dag-processor",))
"""`airflow standalone` would also serve logs on every address, and triggers, which no DAG of ours has."""
PR_SET_CHILD_SUBREAPER = 36
"""Of <linux/prctl.h>."""


def environment(home: Path, state: Path) -> dict[str, str]:
    """The environment of Airflow's processes; what this process was given wins."""
    port = os.environ.get("AIRFLOW__API__PORT", "8080")
    files = {f"{Path(name).stem}_file_path": str(home / name) for name in TEMPLATES}
    made = {
        "AIRFLOW_CONFIG": HERE / "config" / "airflow.cfg",
        "AIRFLOW__CORE__DAGS_FOLDER": HERE / "dags",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(files),
        "SERVICIO_ML_COMMAND": ROOT / ".venv" / "bin" / "servicio-ml",
        **_secrets(home / "secrets.json"),
    }
    absolute = {
        "AIRFLOW_HOME": home,
        "SERVICIO_ML_STATE_DIR": state,
        "PYTHONPATH": ROOT / "servicio-ml" / "src",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    }
    return {name: str(value) for name, value in {**made, **os.environ, **absolute}.items()}


def _secrets(path: Path) -> dict[str, str]:
    """The secrets that Airflow's processes share, made up at the first start."""
    if not path.exists():
        made = {name: urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode() for name in SECRETS}
        _write(path, json.dumps(made))
    kept: dict[str, str] = json.loads(path.read_text())
    return kept


def _password(home: Path) -> str:
    """The password of `admin`, generated at the first start."""
    path = home / "password"
    if not path.exists():
        _write(path, secrets.token_urlsafe())
    password = path.read_text().strip()
    _write(home / "simple_auth_manager_passwords.json.generated", json.dumps({"admin": password}))
    return password


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text)


def _prepare(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    for name in TEMPLATES:
        if not (home / name).exists():
            shutil.copyfile(HERE / "config" / f"{name}.template", home / name)


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=5) as answer:
            health = json.load(answer)
    except (urllib.error.URLError, OSError):
        return False
    return all(health[part]["status"] == "healthy" for part in ("scheduler", "dag_processor"))


def _wait(processes: Sequence[subprocess.Popen[bytes]], url: str) -> bool:
    """Whether it has become healthy."""
    for _ in range(int(START_SECONDS / BETWEEN_LOOKS_SECONDS)):
        if _healthy(url):
            return True
        if _ended(processes):
            break
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)
    return False


def _ended(processes: Sequence[subprocess.Popen[bytes]]) -> bool:
    return any(process.poll() is not None for process in processes)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Stop Airflow, then what it left: a scheduler waits for its tasks, and a step is its own session."""
    for process in processes:
        process.terminate()
    end = time.monotonic() + STOP_SECONDS
    with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        for process in processes:
            process.wait(timeout=max(0, end - time.monotonic()))
    while left := _children(os.getpid()):
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _adopt() -> None:
    """Become the parent of every process whose own parent ends."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main() -> int:
    """Start it, say where it is, and stop all of it in the end."""
    state = Path(os.environ.get("SERVICIO_ML_STATE_DIR", ROOT / "var")).resolve()
    home = Path(os.environ.get("AIRFLOW_HOME", state / "airflow")).resolve()
    _prepare(home)
    env = environment(home, state)
    if _taken(int(env["AIRFLOW__API__PORT"])):
        url = env["AIRFLOW__API__BASE_URL"]
        print(f"error: {url} is taken; name another port: make airflow AIRFLOW_PORT=8081", file=sys.stderr)
        return 1
    _adopt()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.default_int_handler)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        problem = _run(home, env, processes)
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(processes)
    print(f"error: {problem}; see {home / LOG}", file=sys.stderr)
    return 1


def _run(home: Path, env: dict[str, str], processes: list[subprocess.Popen[bytes]]) -> str:
    """Run it until a part of it ends; gives what went wrong."""
    url, password = env["AIRFLOW__API__BASE_URL"], _password(home)
    print(f"Airflow starts; its log: {home / LOG}", flush=True)
    with (home / LOG).open("wb") as log:
        subprocess.run(_airflow("db", "migrate"), stdout=log, stderr=log, env=env, check=True)
        for words in COMPONENTS:
            started = subprocess.Popen(
                _airflow(*words), stdout=log, stderr=log, env=env, start_new_session=True
            )
            processes.append(started)
    if not _wait(processes, url):
        return "Airflow has not become healthy"
    print(f"Airflow: {url}\nuser: admin\npassword: {password}\nCtrl-C stops it", flush=True)
    while not _ended(processes):
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)
    return "a part of Airflow has ended"


def _airflow(*words: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *words]


if __name__ == "__main__":
    sys.exit(main())
