"""Lines of the log: whole, in blocks, and never a reason to stop."""

import io
import json
import logging
import os
import sys

import pytest

from servicio_ml.serving.http.access_log import BUFFER_BYTES, AccessLog, JsonFormatter
from servicio_ml.serving.http.call import HttpCall


def build_call(
    path: str = "/predict", route: str = "/predict", status: int = 200, **details: object
) -> HttpCall:
    return HttpCall(
        method="POST", path=path, query=b"", headers={}, request_id="r1", started=0.0, key="user",
        route=route, status=status, details=details,
    )  # fmt: skip


class CountingStream(io.BytesIO):
    """Counts how often it is written to."""

    writes = 0

    def write(self, block: object) -> int:
        self.writes += 1
        return super().write(block)  # type: ignore[arg-type]  # bytes of any kind


class FullStream(io.BytesIO):
    """Refuses what is written while it is full."""

    is_full = False

    def write(self, block: object) -> int:
        if self.is_full:
            raise OSError(28, "full")
        return super().write(block)  # type: ignore[arg-type]  # bytes of any kind


def test_a_line_says_what_was_asked_and_answered() -> None:
    stream = io.BytesIO()
    log = AccessLog(stream)
    log.log_call(build_call(model="small", version=3), 0.0123456)
    log.flush()
    line = json.loads(stream.getvalue())
    assert line.pop("time") > 0
    assert line == {
        "level": "info", "request_id": "r1", "method": "POST", "path": "/predict", "route": "/predict",
        "status": 200, "duration_ms": 12.346, "key": "user", "model": "small", "version": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("route", "status", "lines"),
    [
        ("/health/live", 200, 0),
        ("/health/ready", 503, 0),
        ("/health/ready", 500, 1),
        ("/health", 200, 1),
        ("/metrics", 200, 1),
    ],
)
def test_expected_answers_to_probes_are_not_logged(route: str, status: int, lines: int) -> None:
    stream = io.BytesIO()
    log = AccessLog(stream)
    log.log_call(build_call(route, route, status), 0.1)
    log.flush()
    assert stream.getvalue().count(b"\n") == lines


def test_lines_are_written_in_blocks_of_whole_lines() -> None:
    stream = CountingStream()
    log = AccessLog(stream)
    log.log_call(build_call(), 0.1)
    assert stream.writes == 0
    log.flush()
    size, count = len(stream.getvalue()), 1
    while stream.writes == 1:
        log.log_call(build_call(), 0.1)
        count += 1
    block = len(stream.getvalue()) - size
    assert BUFFER_BYTES <= block < BUFFER_BYTES + 2 * size
    assert stream.getvalue().endswith(b"\n")
    assert len([json.loads(line) for line in stream.getvalue().splitlines()]) == count


def test_a_line_is_a_line_whatever_was_asked_for() -> None:
    stream = io.BytesIO()
    log = AccessLog(stream)
    log.log_call(build_call('/a\n"b" \u2028 é'), 0.1)
    log.flush()
    [line] = stream.getvalue().split(b"\n")[:-1]
    assert json.loads(line)["path"] == '/a\n"b" \u2028 é'


def test_a_reader_that_went_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as stream:
        log = AccessLog(stream)
        for _ in range(2):
            log.log_call(build_call(), 0.1)
            log.flush()
        line = len(json.dumps({"path": "/predict"}))
        for _ in range(3 * BUFFER_BYTES // line):
            log.log_call(build_call(), 0.1)
        # what nobody reads fills no memory
        assert len(log._buffer) < BUFFER_BYTES


def test_lines_go_on_when_a_full_disk_has_room_again(caplog: pytest.LogCaptureFixture) -> None:
    stream = FullStream()
    log = AccessLog(stream)
    for _ in range(3):
        stream.is_full = True
        for _ in range(2):
            log.log_call(build_call("/lost"), 0.1)
            log.flush()
        stream.is_full = False
        log.log_call(build_call("/written"), 0.1)
        log.flush()
    assert [json.loads(line)["path"] for line in stream.getvalue().splitlines()] == ["/written"] * 3
    # once per outage
    assert [record.message for record in caplog.records] == [
        "access log: lines are lost: [Errno 28] full"
    ] * 3


def test_a_flush_without_lines_is_silent() -> None:
    stream = io.BytesIO()
    AccessLog(stream).flush()
    assert stream.getvalue() == b""


@pytest.mark.parametrize("failed", [False, True])
def test_lines_of_logging_have_the_same_shape(*, failed: bool) -> None:
    exc_info = None
    if failed:
        try:
            int("broken\nin two")
        except ValueError:
            exc_info = sys.exc_info()
    record = logging.LogRecord("servicio_ml.x", logging.WARNING, "x.py", 1, "it is %s", ("so",), exc_info)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    line = json.loads(text)
    assert line["time"] == record.created
    assert (line["level"], line["logger"], line["message"]) == ("warning", "servicio_ml.x", "it is so")
    assert ("ValueError: invalid literal" in line.get("traceback", "")) == failed
