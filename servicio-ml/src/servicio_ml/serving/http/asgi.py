"""ASGI: the types of its messages, and reading a body within a limit."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from servicio_ml.errors import TooLargeError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]


def check_size(size: int, limit: int) -> None:
    """Check the size of a body.

    Raises:
        TooLargeError: The body has more bytes than the limit.
    """
    if size > limit:
        raise TooLargeError("the body", f"{limit} bytes")


async def read_body(receive: Receive, limit: int) -> bytes:
    """Read a body.

    Raises:
        TooLargeError: The body has more bytes than the limit.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    chunks, size = [body], len(body)
    # stops one message after the limit: the rest of an endless body is never received
    while message.get("more_body", False) and size <= limit:
        message = await receive()
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
    check_size(size, limit)
    return body if len(chunks) == 1 else b"".join(chunks)


def replay_body(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that was read already, then the messages that follow."""
    pending = [body]

    async def receive_replayed() -> Message:
        return {"type": "http.request", "body": pending.pop()} if pending else await receive()

    return receive_replayed
