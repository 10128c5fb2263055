"""The client for programs with an event loop; everything but the waiting is that of `Client`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from functools import wraps
from itertools import count
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar

import httpx

from servicio_ml_client import operations
from servicio_ml_client.call import Call
from servicio_ml_client.connection import Connection, create_request_id
from servicio_ml_client.documents import EnqueuedMessage
from servicio_ml_client.errors import ResultTimeoutError
from servicio_ml_client.operations import OnError, Record
from servicio_ml_client.predictions import Frame, Prediction, PredictionFrame
from servicio_ml_client.retries import Outcome, RetryPolicy
from servicio_ml_client.streams import PAGE_ENTRIES, POLL_SECONDS, AsyncRedisReader, ResultSearch, count_looks

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


class _AsyncMethod(Generic[Parameters, Answer]):
    """A method that sends the call of an operation."""

    def __init__(self, build: Callable[Parameters, Call[Answer]]) -> None:
        self._build = build

    def __get__(
        self, client: "AsyncClient", owner: type["AsyncClient"]
    ) -> Callable[Parameters, Coroutine[Any, Any, Answer]]:
        @wraps(self._build)
        async def send(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
            return await client.send(self._build(*args, **kwargs))

        return send


class AsyncClient:
    """Client of a server for one event loop; close it, or use it in an `async with` statement.

    The arguments are those of `Client`; `sleep` is awaited.
    """

    predict = _AsyncMethod(operations.predict)
    predict_batch = _AsyncMethod(operations.predict_batch)
    explain = _AsyncMethod(operations.explain)
    enqueue = _AsyncMethod(operations.enqueue)
    send_feedback = _AsyncMethod(operations.send_feedback)
    send_feedback_batch = _AsyncMethod(operations.send_feedback_batch)
    list_models = _AsyncMethod(operations.list_models)
    get_model = _AsyncMethod(operations.get_model)
    get_schema = _AsyncMethod(operations.get_schema)
    get_drift = _AsyncMethod(operations.get_drift)
    read_prediction_frame = _AsyncMethod(operations.read_prediction_frame)

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        timeout_seconds: float = 30.0,
        retries: RetryPolicy | None = None,
        http: httpx.AsyncClient | None = None,
        create_request_id: Callable[[], str] = create_request_id,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connection = Connection(
            url=url, key=key, timeout_seconds=timeout_seconds, retries=retries or RetryPolicy(),
            create_request_id=create_request_id,
        )  # fmt: skip
        self._http, self._is_owner = http or httpx.AsyncClient(), http is None
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._is_owner:
            await self._http.aclose()

    async def send(self, call: Call[Answer]) -> Answer:
        """Send a call, again where that is safe, and read its answer.

        Raises:
            ClientError: The last attempt was no success.
        """
        request, outcome = await self._exchange(call)
        return self._connection.read_answer(call, request, outcome)

    async def _exchange(self, call: Call[Answer], *, stream: bool = False) -> tuple[httpx.Request, Outcome]:
        """Send a call, again where that is safe; the body of a streamed success is not read yet."""
        request = self._connection.build_request(self._http, call)
        for attempt in count(1):
            outcome = await self._try(request, stream=stream)
            pause = self._connection.retries.compute_pause(call.repeat, outcome, attempt)
            if pause is None:
                break
            await self._sleep(pause)
        return request, outcome

    async def _try(self, request: httpx.Request, *, stream: bool) -> Outcome:
        try:
            response = await self._http.send(request, stream=stream)
            if not response.is_success:
                # the problem document; of a streamed response it is not read yet
                await response.aread()
        except httpx.HTTPError as error:
            return error
        return response

    def read_predictions(
        self,
        model: str,
        *,
        since: str = "24h",
        until: str = "",
        version: int | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Record]:
        """Read the logged predictions of a window row by row, as `Client.read_predictions` does."""
        return self._stream(
            operations.read_predictions(model, since=since, until=until, version=version, limit=limit)
        )

    async def _stream(self, call: Call[list[Record]]) -> AsyncIterator[Record]:
        request, outcome = await self._exchange(call, stream=True)
        response = self._connection.check_success(request, outcome)
        async with aclosing(response):
            with self._connection.translate_errors(request):
                async for line in response.aiter_lines():
                    yield operations.read_row(line)

    async def predict_frame(
        self,
        model: str,
        frame: Frame,
        *,
        version: int | None = None,
        alias: str = "",
        client_key: str = "",
        on_error: OnError = "refuse",
        interval: float | None = None,
        outlier: bool = False,
    ) -> PredictionFrame[Frame]:
        """Predict the rows of a pandas or polars DataFrame or an Arrow table; see `predict_batch`."""
        return await self.send(
            operations.predict_frame(
                model,
                frame,
                version=version,
                alias=alias,
                client_key=client_key,
                on_error=on_error,
                interval=interval,
                outlier=outlier,
            )
        )

    async def wait_for_result(
        self, redis: AsyncRedisReader, message: EnqueuedMessage, *, timeout_seconds: float = 30.0
    ) -> Prediction:
        """Wait for the result of an enqueued record, as `Client.wait_for_result` does.

        Raises:
            DeadLetterError: The record cannot be scored.
            ResultTimeoutError: There is no result yet.
        """
        search = ResultSearch(message)
        for _ in range(count_looks(timeout_seconds)):
            for stream, position in search.positions.items():
                entries = await redis.xrange(stream, min=f"({position}", max="+", count=PAGE_ENTRIES)
                if (found := search.read_page(stream, entries)) is not None:
                    return found
            await self._sleep(POLL_SECONDS)
        raise ResultTimeoutError(message.message_id, timeout_seconds)
