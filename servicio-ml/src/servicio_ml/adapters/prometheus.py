"""A metrics history in a temporary Prometheus: blocks created by promtool, queries on a loopback port."""

import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from servicio_ml.adapters.openmetrics import write_openmetrics
from servicio_ml.domain.ports.metrics_history import MetricSeries, TimeSpan
from servicio_ml.errors import ProgramError

PROMETHEUS, PROMTOOL = "prometheus", "promtool"
LOOPBACK = "127.0.0.1"
START_SECONDS, STOP_SECONDS, QUERY_SECONDS = 120, 30, 600
POLL_SECONDS = 0.05
RETENTION = "100y"
"""Age above which Prometheus deletes blocks at its start."""
MAX_BLOCK_DURATION = "100000h"
"""Maximum time range of a block; by default every two hours become one."""
MAX_SAMPLES = 1_000_000_000
"""Maximum number of samples that one query may hold in memory."""
MAX_SHOWN_CHARACTERS = 500


class PrometheusHistory:
    """A folder of blocks, and a Prometheus that is started when a query needs it.

    Args:
        folder: Folder for the blocks and the log of Prometheus.
        prometheus: Path of the program `prometheus`.
        promtool: Path of the program `promtool`.
    """

    def __init__(self, folder: Path, prometheus: str, promtool: str) -> None:
        self._folder, self._prometheus, self._promtool = folder, prometheus, promtool
        self._process: subprocess.Popen[bytes] | None = None
        # the port may be taken meanwhile; Prometheus then ends and the start fails with its log
        self._port = 0

    def add(self, series: Iterable[MetricSeries]) -> None:
        text = self._folder / "samples.om"
        with text.open("w", encoding="utf-8") as file:
            lines = write_openmetrics(series, file)
        if not lines:
            return
        self.stop()  # a running Prometheus would find new blocks within a minute only
        self._run_promtool(
            self._promtool,
            "tsdb",
            "create-blocks-from",
            f"--max-block-duration={MAX_BLOCK_DURATION}",
            "openmetrics",
            "--quiet",
            str(text),
            str(self._blocks),
        )
        text.unlink()

    def query_range(self, query: str, span: TimeSpan) -> list[MetricSeries]:
        if self._process is None:
            self._start()
        form = {"query": query, "start": span.start, "end": span.end, "step": span.step}
        answer = self._request("POST", "/api/v1/query_range", urlencode(form))
        document = json.loads(answer)
        if document["status"] != "success":
            raise ProgramError(PROMETHEUS, f"{document['error'][:MAX_SHOWN_CHARACTERS]} (in {query})")
        return [_parse_series(each) for each in document["data"]["result"]]

    def stop(self) -> None:
        """Stop Prometheus, if it runs; the next query starts it again."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def _blocks(self) -> Path:
        return self._folder / "blocks"

    @property
    def _log(self) -> Path:
        return self._folder / "prometheus.log"

    def _start(self) -> None:
        config = self._folder / "prometheus.yaml"
        config.write_text("{}\n")
        self._port = _find_free_port()
        command = [
            self._prometheus, f"--config.file={config}", f"--storage.tsdb.path={self._blocks}",
            f"--storage.tsdb.retention.time={RETENTION}", f"--web.listen-address={LOOPBACK}:{self._port}",
            f"--query.max-samples={MAX_SAMPLES}", f"--query.timeout={QUERY_SECONDS}s", "--log.level=warn",
        ]  # fmt: skip
        with self._log.open("wb") as log:
            # in its own session, so that an interrupt at the terminal does not stop it first
            self._process = subprocess.Popen(  # noqa: S603  the path was looked up on the PATH
                command, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise ProgramError(PROMETHEUS, f"it did not start: {_read_log_end(self._log)}")
            threading.Event().wait(POLL_SECONDS)

    def _is_ready(self) -> bool:
        try:
            self._request("GET", "/-/ready")
        except ProgramError:
            return False
        return True

    def _request(self, method: str, path: str, form: str = "") -> bytes:
        connection = HTTPConnection(LOOPBACK, self._port, timeout=QUERY_SECONDS)
        try:
            connection.request(
                method, path, form or None, {"Content-Type": "application/x-www-form-urlencoded"}
            )
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            raise ProgramError(
                PROMETHEUS, f"it does not answer ({error}): {_read_log_end(self._log)}"
            ) from error
        finally:
            connection.close()
        if not body.startswith(b"{") and answer.status != 200:  # noqa: PLR2004  a good answer
            raise ProgramError(PROMETHEUS, f"status {answer.status}: {body[:MAX_SHOWN_CHARACTERS]!r}")
        return body

    def _run_promtool(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  as above
        if done.returncode:
            raise ProgramError(PROMTOOL, (done.stderr or done.stdout).strip()[-MAX_SHOWN_CHARACTERS:])


@contextmanager
def open_prometheus_history() -> Iterator[PrometheusHistory]:
    """Open an empty history; its processes and files are removed when the context ends.

    Raises:
        ProgramError: `prometheus` or `promtool` is not on the PATH.
    """
    programs = [_find_program(name) for name in (PROMETHEUS, PROMTOOL)]
    with tempfile.TemporaryDirectory(prefix="servicio-ml-backtest-") as name:
        history = PrometheusHistory(Path(name), *programs)
        try:
            yield history
        finally:
            history.stop()


def _parse_series(document: Mapping[str, Any]) -> MetricSeries:
    pairs = document["values"]
    return MetricSeries(
        labels=document["metric"],
        times=[at for at, _ in pairs],
        values=[float(value) for _, value in pairs],
    )


def _find_program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ProgramError(
            name,
            "it is not on the PATH; install the Debian package prometheus, or unpack a release of Prometheus "
            "and put its folder on the PATH",
        )
    return path


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _read_log_end(log: Path) -> str:
    """Read the end of a log; empty when there is none."""
    return log.read_text(errors="replace").strip()[-MAX_SHOWN_CHARACTERS:] if log.exists() else ""
