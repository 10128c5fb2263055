"""Access log with one JSON line a request, and a formatter of `logging` with the same shape."""

import json
import logging
import time
from typing import Any, BinaryIO

import orjson

from servicio_ml.serving.http.call import HttpCall

logger = logging.getLogger(__name__)

BUFFER_BYTES = 1 << 16
DURATION_DIGITS = 3
"""Decimal places of a duration in milliseconds."""


PROBE_ROUTES = frozenset({"/health/live", "/health/ready"})
"""Routes that proxies and orchestrators request every second; their lines would displace all others."""
PROBE_STATUSES = frozenset({200, 503})


class AccessLog:
    """Buffered writer of log lines; the worker calls `flush` at least every second."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._buffer = stream, bytearray()
        self._lost = self._fails = False

    def log_call(self, call: HttpCall, seconds: float) -> None:
        """Append the line of a finished call, unless it is the expected answer to a probe."""
        if call.route in PROBE_ROUTES and call.status in PROBE_STATUSES:
            return
        document = {
            "time": time.time(), "level": "info", "request_id": call.request_id, "method": call.method,
            "path": call.path, "route": call.route, "status": call.status,
            "duration_ms": round(seconds * 1000, DURATION_DIGITS), "key": call.key, **call.details,
        }  # fmt: skip
        # orjson, not json: a line is written for every request, in the event loop
        self._buffer += orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
        if len(self._buffer) >= BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the buffer; neither a reader that has gone away nor a full disk stops the server."""
        # swapped first: a failed write must not repeat the same lines at every tick
        block, self._buffer = self._buffer, bytearray()
        if self._lost:
            return
        try:
            self._stream.write(block)
            self._stream.flush()
        except BrokenPipeError:
            self._lost = True
        except OSError as error:
            # a disk has room again later; until then it is said once
            if not self._fails:
                logger.error("access log: lines are lost: %s", error)  # noqa: TRY400  the error says it all
            self._fails = True
        else:
            self._fails = False


class JsonFormatter(logging.Formatter):
    """Formatter of `logging` that writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "time": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document)
