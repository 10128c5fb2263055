"""One JSON line a request, buffered; the lines of `logging` in the same shape."""

import json
import logging
import time
from typing import Any, BinaryIO

import orjson

from servicio_ml.serving.call import Call

BUFFER_BYTES = 1 << 16
DIGITS = 3
"""Of a duration in milliseconds."""


class AccessLog:
    """Writes to a stream in blocks; `flush` is called at least each second."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._buffer = stream, bytearray()
        self._lost = False

    def line(self, call: Call, seconds: float) -> None:
        """Note a finished call."""
        document = {
            "time": time.time(), "level": "info", "request_id": call.request_id, "method": call.method,
            "path": call.path, "route": call.route, "status": call.status,
            "duration_ms": round(seconds * 1000, DIGITS), "key": call.key, **call.details,
        }  # fmt: skip
        self._buffer += orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
        if len(self._buffer) >= BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered; a reader that has gone away is no reason to stop serving."""
        block, self._buffer = self._buffer, bytearray()
        if self._lost:
            return
        try:
            self._stream.write(block)
            self._stream.flush()
        except OSError:
            self._lost = True


class JsonFormatter(logging.Formatter):
    """A record of `logging` as one line of JSON."""

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
