"""Load: a client on one processor, another body with every request."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.processes import HOST

SCRIPT = Path(__file__).with_name("post.lua")
MICROSECONDS = 1e6
LONGEST_ANSWER_SECONDS = 30
GRACE_SECONDS = 60


class MeasurementError(Exception):
    """A measurement that does not count: some requests were not answered, or not with 200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one run of a client found.

    Attributes:
        rate: Requests per second.
        p50: Median latency in seconds.
        p99: 99th percentile of it.
        p999: 99.9th percentile.
        maximum: Greatest latency.
    """

    rate: float
    p50: float
    p99: float
    p999: float
    maximum: float


def write_bodies(path: Path, bodies: Sequence[bytes]) -> Path:
    """One a line, as the script reads them."""
    path.write_bytes(b"\n".join(bodies) + b"\n")
    return path


def run(
    port: int,
    path: str,
    bodies: Path,
    *,
    connections: int,
    seconds: int,
    processors: str,
    pause_milliseconds: int = 0,
) -> Load:
    """Load a server for some seconds.

    Args:
        port: Port of the server.
        path: HTTP path to post to.
        bodies: File of JSON bodies.
        connections: Number of open connections, each with one request at a time.
        seconds: Duration of the load.
        processors: For wrk, as `taskset` writes them.
        pause_milliseconds: Pause of each connection before each request.

    Raises:
        MeasurementError: The server cannot be reached, or has refused or broken a request.
    """
    command = [
        *("taskset", "--cpu-list", processors, "wrk", "--threads", "1", "--connections", str(connections)),
        *("--duration", f"{seconds}s", "--timeout", f"{LONGEST_ANSWER_SECONDS}s", "--latency"),
        *("--script", str(SCRIPT), f"http://{HOST}:{port}{path}", "--", str(bodies), "application/json"),
        str(pause_milliseconds),
    ]
    return _run_client(command, seconds)


def run_paced(
    port: int, path: str, bodies: Path, *, connections: int, rate: float, seconds: int, processors: str
) -> Load:
    """Load a server with requests at a fixed rate, and measure latencies from when each was due.

    Raises:
        MeasurementError: As in `run`; also where some were not answered in time.
    """
    options = {
        "port": port, "path": path, "bodies": bodies, "connections": connections, "rate": rate,
        "seconds": seconds,
    }  # fmt: skip
    command = ["taskset", "--cpu-list", processors, sys.executable, "-m", "benchmarks.serving.paced"]
    return _run_client([*command, *(f"--{name}={value}" for name, value in options.items())], seconds)


def _run_client(command: Sequence[str], seconds: int) -> Load:
    limit = seconds + LONGEST_ANSWER_SECONDS + GRACE_SECONDS
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=limit)
    if done.returncode:
        raise MeasurementError((done.stderr or done.stdout).strip()[-200:])
    return parse_output(done.stdout)


def parse_output(output: str) -> Load:
    """Parse the last line of a client's output.

    Raises:
        MeasurementError: Some requests were refused or broken, or there were none.
    """
    found = json.loads(output.splitlines()[-1])
    if found["refused"] or found["broken"] or not found["requests"]:
        raise MeasurementError(
            f"{found['requests']} requests, {found['refused']} refused, {found['broken']} broken"
        )
    return Load(
        rate=found["requests"] / found["microseconds"] * MICROSECONDS,
        **{name: found[name] / MICROSECONDS for name in ("p50", "p99", "p999", "maximum")},
    )
