"""The client for programs without an event loop."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import wraps
from itertools import count
from time import sleep
from types import TracebackType
from typing import Generic, ParamSpec, Self, TypeVar

import httpx

from servicio_ml_client import operations
from servicio_ml_client.call import Call
from servicio_ml_client.connection import Connection, create_request_id
from servicio_ml_client.documents import EnqueuedMessage
from servicio_ml_client.errors import ResultTimeoutError
from servicio_ml_client.operations import OnError, Record
from servicio_ml_client.predictions import Frame, Prediction, PredictionFrame
from servicio_ml_client.retries import Outcome, RetryPolicy
from servicio_ml_client.streams import PAGE_ENTRIES, POLL_SECONDS, RedisReader, ResultSearch, count_looks

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


class _Method(Generic[Parameters, Answer]):
    """A method that sends the call of an operation."""

    def __init__(self, build: Callable[Parameters, Call[Answer]]) -> None:
        self._build = build

    def __get__(self, client: "Client", owner: type["Client"]) -> Callable[Parameters, Answer]:
        @wraps(self._build)
        def send(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
            return client.send(self._build(*args, **kwargs))

        return send


class Client:
    """Client of a server; close it, or use it in a `with` statement. Threads may share it.

    Args:
        url: Address of the server.
        key: API key; none is sent when empty.
        timeout_seconds: Maximum wait for the answer of one attempt.
        retries: When calls are sent again.
        http: HTTP client that sends the requests, for proxies or certificates; closed by its owner.
        create_request_id: Creates the id of a call, by which the server logs it.
        sleep: Waits for the given seconds.

    Raises:
        ValueError: The address or the key cannot be one.
    """

    predict = _Method(operations.predict)
    predict_batch = _Method(operations.predict_batch)
    explain = _Method(operations.explain)
    enqueue = _Method(operations.enqueue)
    send_feedback = _Method(operations.send_feedback)
    send_feedback_batch = _Method(operations.send_feedback_batch)
    list_models = _Method(operations.list_models)
    get_model = _Method(operations.get_model)
    get_schema = _Method(operations.get_schema)
    get_drift = _Method(operations.get_drift)
    read_prediction_frame = _Method(operations.read_prediction_frame)

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        timeout_seconds: float = 30.0,
        retries: RetryPolicy | None = None,
        http: httpx.Client | None = None,
        create_request_id: Callable[[], str] = create_request_id,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        self._connection = Connection(
            url=url, key=key, timeout_seconds=timeout_seconds, retries=retries or RetryPolicy(),
            create_request_id=create_request_id,
        )  # fmt: skip
        self._http, self._is_owner = http or httpx.Client(), http is None
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._is_owner:
            self._http.close()

    def send(self, call: Call[Answer]) -> Answer:
        """Send a call, again where that is safe, and read its answer.

        Raises:
            ClientError: The last attempt was no success.
        """
        request, outcome = self._exchange(call)
        return self._connection.read_answer(call, request, outcome)

    def _exchange(self, call: Call[Answer], *, stream: bool = False) -> tuple[httpx.Request, Outcome]:
        """Send a call, again where that is safe; the body of a streamed success is not read yet."""
        request = self._connection.build_request(self._http, call)
        for attempt in count(1):
            outcome = self._try(request, stream=stream)
            pause = self._connection.retries.compute_pause(call.repeat, outcome, attempt)
            if pause is None:
                break
            self._sleep(pause)
        return request, outcome

    def _try(self, request: httpx.Request, *, stream: bool) -> Outcome:
        try:
            response = self._http.send(request, stream=stream)
            if not response.is_success:
                # the problem document; of a streamed response it is not read yet
                response.read()
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
    ) -> Iterator[Record]:
        """Read the logged predictions of a window row by row, the oldest first, in bounded memory.

        The call is sent with the first row, and not again after it.

        Args:
            model: Name of the model.
            since: Start: `1h` to `90d` before now, or a time (UTC) in ISO 8601.
            until: End, exclusive; now when empty.
            version: Version that has answered; all of them when None.
            limit: Maximum number of rows, the oldest; all of them when None.
        """
        return self._stream(
            operations.read_predictions(model, since=since, until=until, version=version, limit=limit)
        )

    def _stream(self, call: Call[list[Record]]) -> Iterator[Record]:
        request, outcome = self._exchange(call, stream=True)
        response = self._connection.check_success(request, outcome)
        with closing(response), self._connection.translate_errors(request):
            for line in response.iter_lines():
                yield operations.read_row(line)

    def predict_frame(
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
        return self.send(
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

    def wait_for_result(
        self, redis: RedisReader, message: EnqueuedMessage, *, timeout_seconds: float = 30.0
    ) -> Prediction:
        """Wait for the result of an enqueued record.

        Args:
            redis: Client of the server's Redis, such as `redis.Redis`.
            message: Answer of `enqueue`.
            timeout_seconds: Maximum wait.

        Raises:
            DeadLetterError: The record cannot be scored.
            ResultTimeoutError: There is no result yet.
        """
        search = ResultSearch(message)
        for _ in range(count_looks(timeout_seconds)):
            for stream, position in search.positions.items():
                entries = redis.xrange(stream, min=f"({position}", max="+", count=PAGE_ENTRIES)
                if (found := search.read_page(stream, entries)) is not None:
                    return found
            self._sleep(POLL_SECONDS)
        raise ResultTimeoutError(message.message_id, timeout_seconds)
