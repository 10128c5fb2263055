"""The Python client, sync and async, as one function that calls a method by its name."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from servicio_ml_client import AsyncClient, Client, RetryPolicy

KINDS = ("sync", "async")
URL = "http://models.test"
STILL = RetryPolicy(random=lambda: 0.5, clock=lambda: 1_600_000_000.0)
"""Policy of a client whose waits are known."""
Handler = Callable[[httpx.Request], httpx.Response]


@dataclass(slots=True, kw_only=True)
class Caller:
    """A client of one kind; each call has a client of its own.

    Attributes:
        kind: `sync` or `async`.
        url: Address of the server.
        key: API key.
        handler: Answers instead of a server; None for a real one.
        retries: Policy of the client.
        waits: Seconds that the client would have waited.
    """

    kind: str
    url: str = URL
    key: str = ""
    handler: Handler | None = None
    retries: RetryPolicy = STILL
    waits: list[float] = field(default_factory=list)

    def __call__(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if self.kind == "async":
            return asyncio.run(self._ask(method, *args, **kwargs))
        transport = None if self.handler is None else httpx.MockTransport(self.handler)
        with httpx.Client(transport=transport) as http:
            client = Client(
                self.url, self.key, http=http, retries=self.retries, sleep=self.waits.append,
                create_request_id=lambda: "id-1",
            )  # fmt: skip
            answer = getattr(client, method)(*args, **kwargs)
            # read while the client is open
            return list(answer) if isinstance(answer, Iterator) else answer

    async def _ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        async def record(seconds: float) -> None:
            self.waits.append(seconds)

        transport = None if self.handler is None else httpx.MockTransport(self.handler)
        async with httpx.AsyncClient(transport=transport) as http:
            client = AsyncClient(
                self.url, self.key, http=http, retries=self.retries, sleep=record,
                create_request_id=lambda: "id-1",
            )  # fmt: skip
            answer = getattr(client, method)(*args, **kwargs)
            return [each async for each in answer] if isinstance(answer, AsyncIterator) else await answer
