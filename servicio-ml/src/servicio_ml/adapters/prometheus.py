"""Metrics with a past, in a Prometheus of one's own: blocks made by promtool, queries on a loopback port."""

import json
import math
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
from typing import Any, TextIO
from urllib.parse import urlencode

from servicio_ml.domain.history import NAME, Series, Span
from servicio_ml.errors import ProgramError

PROMETHEUS, PROMTOOL = "prometheus", "promtool"
LOOPBACK = "127.0.0.1"
START_SECONDS, STOP_SECONDS, QUERY_SECONDS = 120, 30, 600
BETWEEN_LOOKS_SECONDS = 0.05
KEPT = "100y"
"""Blocks older than this are deleted by Prometheus at its start."""
BLOCK = "100000h"
"""Longest time that a block may span: by default each two hours get one of their own."""
SAMPLES = 1_000_000_000
"""Most samples that one query may hold in memory."""
SHOWN_CHARACTERS = 500


class PrometheusHistory:
    """A folder with blocks, and the Prometheus that answers from them while it is needed.

    Args:
        folder: For the blocks and the log of the programs.
        prometheus: Path of the program.
        promtool: The same.
    """

    def __init__(self, folder: Path, prometheus: str, promtool: str) -> None:
        self._folder, self._prometheus, self._promtool = folder, prometheus, promtool
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def add(self, series: Iterable[Series]) -> None:
        """As `History.add`."""
        text = self._folder / "samples.om"
        with text.open("w", encoding="utf-8") as file:
            lines = write(series, file)
        if not lines:
            return
        self.stop()  # a Prometheus finds new blocks at its start, or within a minute
        self._run(
            self._promtool, "tsdb", "create-blocks-from", f"--max-block-duration={BLOCK}", "openmetrics",
            "--quiet", str(text), str(self._blocks),
        )  # fmt: skip
        text.unlink()

    def over(self, query: str, span: Span) -> list[Series]:
        """As `History.over`."""
        if self._process is None:
            self._start()
        form = {"query": query, "start": span.start, "end": span.end, "step": span.step}
        answer = self._ask("POST", "/api/v1/query_range", urlencode(form))
        document = json.loads(answer)
        if document["status"] != "success":
            raise ProgramError(PROMETHEUS, f"{document['error'][:SHOWN_CHARACTERS]} (in {query})")
        return [_series(each) for each in document["data"]["result"]]

    def stop(self) -> None:
        """Stop the Prometheus, if there is one; the next query starts another."""
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
        self._port = _free_port()
        command = [
            self._prometheus, f"--config.file={config}", f"--storage.tsdb.path={self._blocks}",
            f"--storage.tsdb.retention.time={KEPT}", f"--web.listen-address={LOOPBACK}:{self._port}",
            f"--query.max-samples={SAMPLES}", f"--query.timeout={QUERY_SECONDS}s", "--log.level=warn",
        ]  # fmt: skip
        with self._log.open("wb") as log:
            # in a session of its own: an interrupt at the terminal is ours to pass on
            self._process = subprocess.Popen(  # noqa: S603  a program that was looked up
                command, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise ProgramError(PROMETHEUS, f"it does not start: {_end(self._log)}")
            threading.Event().wait(BETWEEN_LOOKS_SECONDS)

    def _answers(self) -> bool:
        try:
            self._ask("GET", "/-/ready")
        except ProgramError:
            return False
        return True

    def _ask(self, method: str, path: str, form: str = "") -> bytes:
        connection = HTTPConnection(LOOPBACK, self._port, timeout=QUERY_SECONDS)
        try:
            connection.request(
                method, path, form or None, {"Content-Type": "application/x-www-form-urlencoded"}
            )
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            raise ProgramError(PROMETHEUS, f"it does not answer ({error}): {_end(self._log)}") from error
        finally:
            connection.close()
        if not body.startswith(b"{") and answer.status != 200:  # noqa: PLR2004  a good answer
            raise ProgramError(PROMETHEUS, f"status {answer.status}: {body[:SHOWN_CHARACTERS]!r}")
        return body

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  as above
        if done.returncode:
            raise ProgramError(PROMTOOL, (done.stderr or done.stdout).strip()[-SHOWN_CHARACTERS:])


@contextmanager
def prometheus_history() -> Iterator[PrometheusHistory]:
    """A history that is gone, with its processes and files, when it is closed.

    Raises:
        ProgramError: `prometheus` or `promtool` is not on the PATH.
    """
    programs = [_found(name) for name in (PROMETHEUS, PROMTOOL)]
    with tempfile.TemporaryDirectory(prefix="servicio-ml-backtest-") as name:
        history = PrometheusHistory(Path(name), *programs)
        try:
            yield history
        finally:
            history.stop()


def write(series: Iterable[Series], file: TextIO) -> int:
    """Write series as OpenMetrics text with times; gives the number of samples."""
    lines = 0
    for each in series:
        head = exposed(each.labels)
        file.writelines(
            f"{head} {_number(value)} {at!r}\n" for at, value in zip(each.times, each.values, strict=True)
        )
        lines += len(each.times)
    file.write("# EOF\n")
    return lines


def exposed(labels: Mapping[str, str]) -> str:
    """A metric's name with its other labels, as it is exposed."""
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items() if name != NAME)
    return f"{labels[NAME]}{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"


def _series(document: Mapping[str, Any]) -> Series:
    pairs = document["values"]
    return Series(
        labels=document["metric"],
        times=[at for at, _ in pairs],
        values=[float(value) for _, value in pairs],
    )


def _found(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ProgramError(
            name,
            "it is not on the PATH; install the Debian package prometheus, or unpack a release of Prometheus "
            "and put its folder on the PATH",
        )
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _end(log: Path) -> str:
    """The last that a program said."""
    return log.read_text(errors="replace").strip()[-SHOWN_CHARACTERS:] if log.exists() else ""
