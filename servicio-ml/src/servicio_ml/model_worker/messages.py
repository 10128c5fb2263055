"""Messages between a server and the process of a model, over a pair of sockets: JSON, then raw bytes."""

import json
import socket
import struct
import time
from typing import Any

SIZES = struct.Struct("<IQ")
"""Sizes of the header and of the payload, in bytes."""
MAX_HEADER_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 1 << 30
CHUNK_BYTES = 1 << 20

REQUEST, SCORE, CONVERT = "request", "score", "convert"
"""Key of a request, and its values."""
ERROR, TYPE, TEXT, STAGE = "error", "type", "text", "stage"
"""Key of an error, and the keys of its document; the stage is `load` or that of the request."""
LOAD = "load"
SHAPE, WIDTH = "shape", "width"
DIRECT = "direct"
"""Key of a request to score by `loading/direct_steps.py`."""
TASK, CLASSES, COLUMNS, CATEGORIES = "task", "classes", "columns", "categories"
CONFINED = "confined_files"
"""Keys of the description, which is the first message of a process."""


def send_message(
    connection: socket.socket, header: dict[str, Any], payload: bytes = b"", *, deadline: float | None = None
) -> None:
    """Send a message.

    Args:
        connection: One end of the pair.
        header: JSON object.
        payload: Raw bytes.
        deadline: Reading of `time.monotonic` after which nothing more is sent; None for no limit.

    Raises:
        TimeoutError: The other end has not read it before the deadline.
        ValueError: The message is larger than the limits.
        OSError: The other end is closed.
    """
    head = json.dumps(header).encode()
    _check_sizes(len(head), len(payload))
    for part in (SIZES.pack(len(head), len(payload)) + head, payload):
        rest = memoryview(part)
        while rest:
            _limit_time(connection, deadline)
            # not `sendall`, whose time limit would count anew for each call of the system
            rest = rest[connection.send(rest[:CHUNK_BYTES]) :]


def receive_message(
    connection: socket.socket, *, deadline: float | None = None
) -> tuple[dict[str, Any], bytearray]:
    """Receive the header and the payload of a message.

    Raises:
        TimeoutError: The message is not complete before the deadline.
        ValueError: The message is larger than the limits, or its header is no JSON object.
        EOFError: The other end is closed.
        OSError: The connection is broken.
    """
    head_size, payload_size = SIZES.unpack(_receive_bytes(connection, SIZES.size, deadline))
    _check_sizes(head_size, payload_size)
    header = json.loads(_receive_bytes(connection, head_size, deadline))
    if not isinstance(header, dict):
        problem = f"the header of a message is {type(header).__name__}, not an object"
        raise ValueError(problem)  # noqa: TRY004  its value is wrong, as of any other malformed message
    return header, _receive_bytes(connection, payload_size, deadline)


def _receive_bytes(connection: socket.socket, size: int, deadline: float | None) -> bytearray:
    # grown by what arrives: a size alone must not take memory
    found = bytearray()
    while len(found) < size:
        _limit_time(connection, deadline)
        part = connection.recv(min(CHUNK_BYTES, size - len(found)))
        if not part:
            raise EOFError("the connection was closed")
        found += part
    return found


def _check_sizes(head_size: int, payload_size: int) -> None:
    if head_size > MAX_HEADER_BYTES or payload_size > MAX_PAYLOAD_BYTES:
        limits = f"{MAX_HEADER_BYTES} and {MAX_PAYLOAD_BYTES}"
        raise ValueError(f"a message of {head_size} and {payload_size} bytes is larger than {limits}")


def _limit_time(connection: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        connection.settimeout(None)
        return
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("the time limit is over")
    connection.settimeout(remaining)
