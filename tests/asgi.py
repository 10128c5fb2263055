"""Calls of an ASGI application without a server."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class AsgiResponse:
    """A response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """Body, parsed as JSON."""
        return json.loads(self.body)


def get(app: ASGIApp, path: str, query: str = "") -> AsgiResponse:
    """Send a GET request."""
    return call(app, "GET", path, query, b"", {})


def post(
    app: ASGIApp, path: str, body: bytes, headers: Mapping[str, str] | None = None, query: str = ""
) -> AsgiResponse:
    """Send a POST request."""
    return call(app, "POST", path, query, body, headers or {})


def call(
    app: ASGIApp, method: str, path: str, query: str, body: bytes, headers: Mapping[str, str]
) -> AsgiResponse:
    """Send a request."""
    return asyncio.run(ask(app, method, path, query, body, headers))


async def ask(
    app: ASGIApp, method: str, path: str, query: str, body: bytes, headers: Mapping[str, str]
) -> AsgiResponse:
    """Send a request from a running event loop."""
    sent: list[Message] = []
    given = {"host": "localhost", **{name.lower(): value for name, value in headers.items()}}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": query.encode(), "headers": pairs, "http_version": "1.1", "scheme": "http",
        "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        # a stream is not cut off, although `receive` says at once that nothing follows
        "asgi": {"version": "3.0", "spec_version": "2.4"},
    }  # fmt: skip

    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    return AsgiResponse(
        status=start["status"],
        headers={name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]},
        body=b"".join(message.get("body", b"") for message in sent[1:]),
    )
