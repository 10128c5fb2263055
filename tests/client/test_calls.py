"""What is sent for each method, and how answers and errors are read: sync and async by one table."""

import json
import pickle
from datetime import date
from typing import Any

import httpx
import numpy as np
import pytest

from python_clients import KINDS, URL, Caller
from servicio_ml_client import (
    AsyncClient,
    BadRequestError,
    Client,
    ClientError,
    ConflictError,
    DeadLetterError,
    Fault,
    ForbiddenError,
    InvalidRecordError,
    NoResponseError,
    NotFoundError,
    PayloadTooLargeError,
    Prediction,
    Problem,
    ProblemError,
    ResponseTimeoutError,
    ResultTimeoutError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedResponseError,
)

RECORD = {"size": 1.5, "colour": "green", "day": date(2020, 1, 31), "weight": None}
JSON_RECORD = {"size": 1.5, "colour": "green", "day": "2020-01-31", "weight": None}
ANSWER = {
    "prediction": 1,
    "label": "yes",
    "probability": 0.7,
    "model": "m",
    "version": 2,
    "prediction_id": "p",
}
TRUTH = {"prediction_id": "p", "actual": "yes"}
SENT: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], str, str, Any]] = {
    "predict": ("predict", ("m", RECORD), {}, "POST", "/models/m/predict", JSON_RECORD),
    "a version": ("predict", ("m", {}), {"version": 3}, "POST", "/models/m/predict?version=3", {}),
    "an alias": ("predict", ("m", {}), {"alias": "a b"}, "POST", "/models/m/predict?alias=a+b", {}),
    "a name": ("predict", ("a/ñ?", {}), {}, "POST", "/models/a%2F%C3%B1%3F/predict", {}),
    "numbers of NumPy": (
        "predict", ("m", {"a": np.int64(2), "b": np.float32(0.5), "c": np.bool_(1)}), {},
        "POST", "/models/m/predict", {"a": 2, "b": 0.5, "c": True},
    ),
    "batch": (
        "predict_batch", ("m", [RECORD, RECORD]), {}, "POST", "/models/m/predict/batch?on_error=refuse",
        [JSON_RECORD, JSON_RECORD],
    ),
    "partial batch": (
        "predict_batch", ("m", [{}]), {"on_error": "partial", "version": 1},
        "POST", "/models/m/predict/batch?version=1&on_error=partial", [{}],
    ),
    "interval": ("predict", ("m", {}), {"interval": 0.9}, "POST", "/models/m/predict?interval=0.9", {}),
    "intervals": (
        "predict_batch", ("m", [{}]), {"interval": 0.9, "version": 1},
        "POST", "/models/m/predict/batch?version=1&interval=0.9&on_error=refuse", [{}],
    ),
    "enqueue for an interval": (
        "enqueue", ("m", {}), {"interval": 0.5}, "POST", "/models/m/enqueue?interval=0.5", {},
    ),
    "explain": ("explain", ("m", RECORD), {"version": 2}, "POST", "/models/m/explain?version=2", JSON_RECORD),
    "enqueue": ("enqueue", ("m", RECORD), {}, "POST", "/models/m/enqueue", JSON_RECORD),
    "enqueue for an alias": (
        "enqueue", ("m", RECORD), {"alias": "challenger"}, "POST", "/models/m/enqueue?alias=challenger",
        JSON_RECORD,
    ),
    "feedback": ("send_feedback", ("m", "p", "yes"), {}, "POST", "/models/m/feedback", TRUTH),
    "feedback batch": (
        "send_feedback_batch", ("m", {"p": "yes", "q": 2.5}), {}, "POST", "/models/m/feedback/batch",
        {"labels": [TRUTH, {"prediction_id": "q", "actual": 2.5}]},
    ),
    "feedback of a row": (
        "send_feedback", ("m", 892, "yes"), {"by": "identifier"}, "POST", "/models/m/feedback",
        {"identifier": 892, "actual": "yes"},
    ),
    "feedback batch of rows": (
        "send_feedback_batch", ("m", {"a": "yes", 5: "no"}), {"by": "identifier"},
        "POST", "/models/m/feedback/batch",
        {"labels": [{"identifier": "a", "actual": "yes"}, {"identifier": 5, "actual": "no"}]},
    ),
    "models": ("list_models", (), {}, "GET", "/models", None),
    "model": ("get_model", ("m",), {}, "GET", "/models/m", None),
    "schema": ("get_schema", ("m",), {}, "GET", "/models/m/schema", None),
    "drift": ("get_drift", ("m",), {}, "GET", "/models/m/drift?window=24h", None),
    "drift of a version": (
        "get_drift", ("m", "7d"), {"version": 2}, "GET", "/models/m/drift?window=7d&version=2", None,
    ),
}  # fmt: skip
"""Method, arguments and keywords; HTTP method, path and body that are sent."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("method", "arguments", "keywords", "http_method", "path", "body"), SENT.values(), ids=SENT
)
def test_what_is_sent(
    kind: str, method: str, arguments: Any, keywords: Any, http_method: str, path: str, body: Any
) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"not": "read"})

    with pytest.raises(UnexpectedResponseError):
        Caller(kind=kind, handler=answer, key="a-key")(method, *arguments, **keywords)
    [request] = sent
    assert (request.method, str(request.url)) == (http_method, URL + path)
    assert (json.loads(request.content) if request.content else None) == body
    assert request.headers["x-api-key"] == "a-key"
    assert request.headers["x-request-id"] == "id-1"
    assert request.headers["accept"] == "application/json"
    assert request.headers.get("content-type") == (None if body is None else "application/json")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("method", "name"), [("predict", "client_key"), ("predict_batch", "client_key"), ("enqueue", "key")]
)
def test_a_client_key_is_sent_in_its_header(kind: str, method: str, name: str) -> None:
    keys: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers.get("x-client-key"))
        return httpx.Response(404)

    call = Caller(kind=kind, handler=answer)
    for given in ({name: "me"}, {}):
        with pytest.raises(NotFoundError):
            call(method, "m", [] if "batch" in method else {}, **given)
    assert keys == ["me", None]


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_typed(kind: str) -> None:
    handler = lambda _: httpx.Response(200, json={**ANSWER, "new_in_a_later_server": 1})  # noqa: E731  short
    answer = Caller(kind=kind, handler=handler)("predict", "m", {})
    assert answer == Prediction(
        prediction=1, label="yes", probability=0.7, model="m", version=2, prediction_id="p"
    )
    assert isinstance(answer.prediction, int)


PROBLEM = {
    "type": "about:blank", "title": "Unprocessable Entity", "status": 422, "detail": "row 0, field 'size'",
    "request_id": "id-9", "errors": [
        {"row": 0, "field": "size", "value": -1, "allowed": "a number from 0", "reason": "range"}
    ],
}  # fmt: skip
STATUSES = {
    400: BadRequestError, 401: UnauthorizedError, 403: ForbiddenError, 404: NotFoundError,
    405: ProblemError, 409: ConflictError, 413: PayloadTooLargeError, 415: ProblemError,
    422: InvalidRecordError, 500: ProblemError, 503: UnavailableError,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("status", "expected"), STATUSES.items())
def test_a_problem_is_a_typed_exception(kind: str, status: int, expected: type[ProblemError]) -> None:
    handler = lambda _: httpx.Response(status, json={**PROBLEM, "status": status})  # noqa: E731  short
    with pytest.raises(ProblemError) as caught:
        Caller(kind=kind, handler=handler)("predict", "m", {})
    error = caught.value
    assert type(error) is expected
    assert (error.status, error.request_id, error.problem.detail) == (status, "id-9", "row 0, field 'size'")
    assert error.faults == [Fault(row=0, field="size", value=-1, allowed="a number from 0", reason="range")]
    assert str(error) == f"{status} Unprocessable Entity: row 0, field 'size' (request id-9)"


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_of_a_proxy_is_a_problem_too(kind: str) -> None:
    page = f"<html>{'x' * 1000}"
    with pytest.raises(ProblemError) as caught:
        Caller(kind=kind, handler=lambda _: httpx.Response(502, text=page))("predict", "m", {})
    assert (caught.value.status, caught.value.request_id) == (502, "id-1")
    assert caught.value.problem.detail == page[:300]
    assert caught.value.faults == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"prediction": "yes"}'], ids=str)
def test_a_success_of_another_service_is_an_error(kind: str, body: bytes) -> None:
    call = Caller(kind=kind, handler=lambda _: httpx.Response(200, content=body))
    with pytest.raises(UnexpectedResponseError, match=r"/models/m/predict has an unexpected form: .+"):
        call("predict", "m", {})


def _build_slow(request: httpx.Request) -> httpx.Response:
    assert request.extensions["timeout"] == {"connect": 0.5, "read": 0.5, "write": 0.5, "pool": 0.5}
    raise httpx.ReadTimeout("", request=request)


def test_a_timeout_is_named() -> None:
    with (
        httpx.Client(transport=httpx.MockTransport(_build_slow)) as http,
        pytest.raises(ResponseTimeoutError, match="ReadTimeout"),
    ):
        Client(URL, http=http, timeout_seconds=0.5).predict("m", {})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("method", "arguments", "keywords", "said"),
    [
        ("predict", ("m", {"size": float("nan")}), {}, "send None for a missing value"),
        ("predict", ("m", {"size": float("inf")}), {}, "send None for a missing value"),
        ("predict", ("", {}), {}, "model is empty"),
        ("predict", ("m", {}), {"version": 1, "alias": "champion"}, "give one of them"),
        ("predict", ("m", {}), {"client_key": "ñ"}, "printable ASCII"),
        ("enqueue", ("m", {}), {"key": "a\r\nb"}, "printable ASCII"),
    ],
)
def test_a_wrong_argument_is_not_sent(
    kind: str, method: str, arguments: Any, keywords: Any, said: str
) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise AssertionError

    with pytest.raises(ValueError, match=said):
        Caller(kind=kind, handler=fail)(method, *arguments, **keywords)


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_json_does_not_have_is_named(kind: str) -> None:
    with pytest.raises(TypeError, match=r"b'x' is a bytes"):
        Caller(kind=kind)("predict", "m", {"size": b"x"})


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("url", "key", "said"),
    [
        ("", "", "url is ''"),
        ("127.0.0.1:8800", "", "url is '127.0.0.1:8800'"),
        ("http://", "", "url is 'http://'"),
        ("http://a:b", "", "url is 'http://a:b'"),
        ("ftp://a", "", "url is 'ftp://a'"),
        (URL, "secret\n", "line feed"),
        (URL, "señal", "visible ASCII"),
    ],
)
def test_address_and_key_are_checked(client: Any, url: str, key: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        client(url, key)
    assert (
        "se" not in str(caught.value).replace("feed", "") or not key or key.strip() not in str(caught.value)
    )


def test_a_request_id_that_the_server_would_replace_is_refused() -> None:
    with Client(URL, create_request_id=lambda: "a b") as client, pytest.raises(ValueError, match="'a b'"):
        client.list_models()


def test_a_path_of_the_address_is_kept() -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json=[])

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        for url in ("http://models.test/api", "http://models.test/api/"):
            Client(url, http=http).list_models()
    assert paths == ["/api/models", "/api/models"]


def test_the_key_is_not_shown() -> None:
    with Client(URL, "a-secret") as client:
        assert "a-secret" not in repr(vars(client))


def test_only_its_own_http_client_is_closed() -> None:
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=[]))) as http:
        with Client(URL, http=http) as client:
            client.list_models()
        assert not http.is_closed


@pytest.mark.parametrize(
    "error",
    [
        NoResponseError(URL, "slow", "id"),
        ResponseTimeoutError(URL, "slow", "id"),
        UnexpectedResponseError(URL, "prediction: missing"),
        DeadLetterError("1-0", "five workers"),
        ResultTimeoutError("1-0", 2.0),
        UnavailableError(Problem(type="about:blank", title="t", status=503, detail="d", request_id="i"), 1.0),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_survives_pickling(error: ClientError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  our own
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.args == error.args
