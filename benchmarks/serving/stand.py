"""The stand: starts a server where it belongs, asks it for known answers, loads it."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.environments import get_python
from benchmarks.serving import load
from benchmarks.serving.load import Load, MeasurementError
from benchmarks.serving.model import Floats, Models
from benchmarks.serving.processes import OK, Running, find_free_port, post, start, wait_for_first_answer
from benchmarks.serving.servers import JSON, Place, Server, ServerKind

BODIES, CHECKED = 512, 64
PACED_CONNECTIONS = 64
TOLERANCE = 1e-5
MLSERVER_PORTS = 2
WARM_SECONDS, WARM_CONNECTIONS, SETTLE_SECONDS = 2, 8, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """A server that answers rightly.

    Attributes:
        server: What it is.
        running: Its processes.
        seconds: From its start to its first answer.
        bodies: File of request bodies.
    """

    server: Server
    running: Running
    seconds: float
    bodies: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where servers are measured.

    Attributes:
        models: Prepared models that the servers serve.
        environments: Folder of the servers' environments.
        scratch: Folder for what servers write.
        server: The processor of a server, as `taskset` writes it.
        client: The processor of wrk.
    """

    models: Models
    environments: Path
    scratch: Path
    server: str
    client: str

    @property
    def both(self) -> str:
        return f"{self.server},{self.client}"

    @contextmanager
    def start(self, server: Server, processors: str) -> Iterator[Up]:
        """Start a server, wait for its first answer, check its answers.

        Raises:
            subprocess.CalledProcessError: Its environment cannot be made.
            TimeoutError: No answer arrives in time.
            MeasurementError: An answer is wrong.
        """
        python = get_python(self.environments, server.environment)
        port = find_free_port(MLSERVER_PORTS)
        home = self.scratch / f"{server.name}-{port}"
        home.mkdir()
        place = Place(models=self.models.folder, scratch=home, port=port)
        settings = {
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "BENCHMARK_MODELS": str(self.models.folder.resolve()),
            **server.settings(place),
        }
        log = self.scratch / f"{home.name}.log"
        with start(
            [str(python.absolute()), *server.command(place)], port, settings, processors, log
        ) as running:
            try:
                body = server.body(self.models, slice(0, 1))
                seconds = wait_for_first_answer(running, server.path, body, JSON)
            except TimeoutError as error:
                raise TimeoutError(f"{server.name}: {error}\n{log.read_text()[-2000:]}") from error
            self._check(server, running)
            bodies = [server.body(self.models, slice(i, i + 1)) for i in range(BODIES)]
            file = load.write_bodies(home / "bodies", bodies)
            yield Up(server=server, running=running, seconds=seconds, bodies=file)

    def _check(self, server: Server, running: Running) -> None:
        for row in range(CHECKED):
            status, text = post(
                running.port, server.path, server.body(self.models, slice(row, row + 1)), JSON
            )
            if status != OK:
                raise MeasurementError(f"{server.name} answers row {row} with {status}: {text[:300]!r}")
            if server.read is not None:
                check_answers(
                    server.name,
                    server.read(json.loads(text)),
                    self.compute_expected(server.kind)[row : row + 1],
                )

    def compute_expected(self, kind: ServerKind) -> Floats:
        """`[n]` probabilities that a kind of server must answer."""
        if kind is ServerKind.OURS:
            return self.models.answers
        return self.models.raw_answers if kind is ServerKind.FAST else self.models.pipeline_answers

    def load(self, up: Up, *, connections: int, seconds: int, processors: str) -> Load:
        """Let a held server go on, load it, and hold it again.

        Raises:
            MeasurementError: A request was not answered with 200.
        """
        with _resume(up):
            return load.run(
                up.running.port, up.server.path, up.bodies,
                connections=connections, seconds=seconds, processors=processors,
            )  # fmt: skip

    def load_at_rate(self, up: Up, rate: float, seconds: int) -> Load:
        """Load a held server as `load` does, with requests that are due at a fixed rate."""
        with _resume(up):
            return load.run_paced(
                up.running.port, up.server.path, up.bodies,
                connections=PACED_CONNECTIONS, rate=rate, seconds=seconds, processors=self.client,
            )  # fmt: skip

    def warm(self, up: Up, processors: str) -> None:
        """A first load that is not measured, after which the server is held."""
        self.load(up, connections=WARM_CONNECTIONS, seconds=WARM_SECONDS, processors=processors)


def choose_processors() -> tuple[str, str]:
    """Choose the processor of a server and that of the client.

    Raises:
        SystemExit: There is only one.
    """
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:  # noqa: PLR2004  one each
        raise SystemExit("two processors are needed: one for the server, one for wrk")
    return str(processors[0]), str(processors[1])


@contextmanager
def _resume(up: Up) -> Iterator[None]:
    up.running.resume()
    try:
        yield
    finally:
        # what is still in flight would exceed its time limit while it is held
        threading.Event().wait(SETTLE_SECONDS)
        up.running.hold()


def check_answers(name: str, found: Floats, expected: Floats) -> None:
    """Compare answers.

    Raises:
        MeasurementError: They differ.
    """
    if found.shape != expected.shape or not np.allclose(found, expected, atol=TOLERANCE, rtol=0):
        raise MeasurementError(f"{name} answers {found[:3]}…, not {expected[:3]}…")
