"""A server's processes: started on chosen processors, held while others are measured, weighed, stopped."""

import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
START_SECONDS, STOP_SECONDS, ANSWER_SECONDS = 300.0, 15.0, 60.0
BETWEEN_LOOKS_SECONDS = 0.01
BYTES_PER_KILOBYTE = 1024
PARENT, USER_TIME, SYSTEM_TIME = 1, 11, 12
"""Places in `/proc/<pid>/stat` after the command's name."""
OK = 200
LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Proportional set sizes in bytes: of all processes, and of the largest that the first one started."""

    total: int
    largest_child: int


class Running:
    """A started server.

    Attributes:
        port: Port of the server, at `HOST`.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process, self.port = process, port

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def hold(self) -> None:
        """Stop its clock: a held server takes no processor time."""
        _signal(self._list_pids(), signal.SIGSTOP)

    def resume(self) -> None:
        _signal(self._list_pids(), signal.SIGCONT)

    def measure_seconds(self) -> float:
        """Processor time that its living processes have taken."""
        stats = [_read_stat(pid) for pid in self._list_pids()]
        ticks = sum(int(each[USER_TIME]) + int(each[SYSTEM_TIME]) for each in stats if each)
        return ticks / os.sysconf("SC_CLK_TCK")

    def measure_memory(self) -> Memory:
        sizes = [_read_pss(pid) for pid in self._list_pids()]
        # a server that starts no worker is one itself
        return Memory(total=sum(sizes), largest_child=max(sizes[1:] or sizes))

    def stop(self) -> None:
        """End it with every process that it has started."""
        self.resume()
        pids = self._list_pids()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        _signal(pids, signal.SIGKILL)
        self._process.wait()

    def find_pids(self, word: str) -> list[int]:
        """Find its processes whose command line holds a word."""
        return [pid for pid in self._list_pids() if word in _read_command(pid)]

    def _list_pids(self) -> list[int]:
        """List the ids of the started process and of all its descendants."""
        children: dict[int, list[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            if stat := _read_stat(int(folder.name)):
                children.setdefault(int(stat[PARENT]), []).append(int(folder.name))
        found = [self._process.pid]
        for pid in found:
            found += children.get(pid, [])
        return found


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _read_stat(pid: int) -> list[str]:
    """The fields after the command's name; none of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _read_command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _read_pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * BYTES_PER_KILOBYTE


def find_free_port(following: int = 0) -> int:
    """A loopback port that nobody listens on, and so are some that follow it."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        if all(_is_free(port + 1 + i) for i in range(following)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return port <= LAST_PORT and probe.connect_ex((HOST, port)) != 0


@contextmanager
def start(
    command: Sequence[str], port: int, settings: Mapping[str, str], processors: str, log: Path
) -> Iterator[Running]:
    """Start a server in a session of its own.

    Args:
        command: Words of the command, the port among them.
        port: Port of the server.
        settings: Variables added to the environment.
        processors: Processors that the server may use, as `taskset` writes them.
        log: File for all that it prints.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", processors, *command],  # noqa: S607  of the system
            stdout=output, stderr=output, env={**os.environ, **settings}, start_new_session=True,
            cwd=Path(__file__).parent / "apps",
        )  # fmt: skip
    running = Running(process, port)
    try:
        yield running
    finally:
        running.stop()


def post(port: int, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
    """Status and body of an answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", path, body, {"Content-Type": content_type})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_for_first_answer(running: Running, path: str, body: bytes, content_type: str) -> float:
    """Measure the seconds until a request is answered with 200.

    Raises:
        TimeoutError: No such answer arrives in time, or the server has ended.
    """
    started, seen = time.perf_counter(), "nothing"
    while time.perf_counter() - started < START_SECONDS and not running.ended:
        try:
            status, text = post(running.port, path, body, content_type)
        except OSError:
            threading.Event().wait(BETWEEN_LOOKS_SECONDS)
            continue
        if status == OK:
            return time.perf_counter() - started
        seen = f"{status}: {text[:300]!r}"
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)
    raise TimeoutError(f"no answer to {path}; it sent {seen}")
