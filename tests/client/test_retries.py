"""Calls are sent again only where that is safe, after the server's wait and a random one."""

from collections.abc import Iterator

import httpx
import pytest

from python_clients import KINDS, Caller, Handler
from servicio_ml_client import (
    NoResponseError,
    ProblemError,
    ResponseTimeoutError,
    RetryPolicy,
    UnavailableError,
)
from servicio_ml_client.call import Repeat
from servicio_ml_client.retries import parse_retry_after

ANSWER = {
    "prediction": 1,
    "label": "yes",
    "probability": 0.7,
    "model": "m",
    "version": 2,
    "prediction_id": "p",
}
DRIFT = {
    "model": "m", "version": 2, "window": {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"},
    "rows": 0, "reference_rows": 9, "drifted_share": 0, "features": [],
    "prediction": {"name": "p", "psi": None, "threshold": None, "drifted": False, "missing": None,
                   "reference_missing": 0, "current": {}, "reference": {}},
}  # fmt: skip
EXPLANATION = {"model": "m", "version": 2, "label": None, "base": 1, "score": 2, "contributions": {"size": 1}}
RECEIPT = {"prediction_id": "p", "identifier": None, "status": "accepted", "revision": 1}
MESSAGE = {"message_id": "1-0", "stream": "servicio_ml:m:requests"}
BATCH = {"model": "m", "version": 2, "predictions": []}
CALLS = {
    "predict": (("m", {"size": 1}), ANSWER),
    "predict_batch": (("m", [{"size": 1}]), BATCH),
    "explain": (("m", {"size": 1}), EXPLANATION),
    "enqueue": (("m", {"size": 1}), MESSAGE),
    "send_feedback": (("m", "p", "yes"), RECEIPT),
    "send_feedback_batch": (("m", {"p": "yes"}), {"labels": [RECEIPT]}),
    "list_models": ((), []),
    "get_drift": (("m",), DRIFT),
}
"""Arguments and an answer, by method."""
SAFE = {"explain", "send_feedback", "send_feedback_batch", "list_models", "get_drift"}
LOGGED = {"predict", "predict_batch"}
"""Calls whose repetition after a lost answer would be logged and counted as further rows."""
Failure = httpx.Response | type[httpx.TransportError]
ALWAYS, IF_REFUSED, NEVER = {*SAFE, *LOGGED, "enqueue"}, {*SAFE, *LOGGED}, set[str]()
FAILURES: dict[str, tuple[Failure, set[str]]] = {
    "no connection": (httpx.ConnectError, ALWAYS),
    "no connection in time": (httpx.ConnectTimeout, ALWAYS),
    "every connection in use": (httpx.PoolTimeout, ALWAYS),
    "429": (httpx.Response(429), ALWAYS),
    "503": (httpx.Response(503), IF_REFUSED),
    "502 of a proxy": (httpx.Response(502), SAFE),
    "504 of a proxy": (httpx.Response(504), SAFE),
    "no answer in time": (httpx.ReadTimeout, SAFE),
    "connection lost": (httpx.RemoteProtocolError, SAFE),
    "body cut off": (httpx.WriteError, SAFE),
    "500": (httpx.Response(500), NEVER),
    "422": (httpx.Response(422), NEVER),
    "redirected": (httpx.Response(307), NEVER),
    "a request that is none": (httpx.LocalProtocolError, NEVER),
}
"""A first outcome, and the methods that are sent again after it."""


def _answer_after(failure: Failure, document: object, sent: list[httpx.Request]) -> Handler:
    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if len(sent) > 1:
            return httpx.Response(200, json=document)
        if isinstance(failure, httpx.Response):
            return httpx.Response(failure.status_code)
        raise failure("no luck", request=request)

    return answer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(("failure", "repeated"), FAILURES.values(), ids=FAILURES)
def test_a_call_is_repeated_where_that_is_safe(
    kind: str, method: str, failure: Failure, repeated: set[str]
) -> None:
    arguments, document = CALLS[method]
    sent: list[httpx.Request] = []
    call = Caller(kind=kind, handler=_answer_after(failure, document, sent))
    if method in repeated:
        call(method, *arguments)
        assert call.waits == [0.125]
        first, second = sent
        assert first.headers["x-request-id"] == second.headers["x-request-id"] == "id-1"
        assert first.content == second.content
    else:
        with pytest.raises((ProblemError, NoResponseError)):
            call(method, *arguments)
        assert len(sent) == 1
        assert call.waits == []


@pytest.mark.parametrize(("by", "attempts"), [("prediction_id", 2), ("identifier", 1)])
def test_ground_truth_of_an_identifier_is_not_repeated_after_a_lost_answer(by: str, attempts: int) -> None:
    for method, row in (("send_feedback", ("p", "yes")), ("send_feedback_batch", ({"p": "yes"},))):
        document = RECEIPT if method == "send_feedback" else {"labels": [RECEIPT]}
        sent: list[httpx.Request] = []
        call = Caller(kind="sync", handler=_answer_after(httpx.ReadTimeout, document, sent))
        if attempts == 2:
            call(method, "m", *row, by=by)
        else:
            with pytest.raises(ResponseTimeoutError):
                call(method, "m", *row, by=by)
        assert len(sent) == attempts


@pytest.mark.parametrize("kind", KINDS)
def test_waits_double_until_the_last_attempt(kind: str) -> None:
    call = Caller(kind=kind, handler=lambda _: httpx.Response(503, headers={"Retry-After": "1"}))
    with pytest.raises(UnavailableError) as caught:
        call("list_models")
    assert call.waits == [1.125, 1.25, 1.5]
    assert caught.value.retry_after_seconds == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_success_ends_the_attempts(kind: str) -> None:
    outcomes: Iterator[httpx.Response] = iter(
        [httpx.Response(503), httpx.Response(502), httpx.Response(200, json=[])]
    )
    call = Caller(kind=kind, handler=lambda _: next(outcomes))
    assert call("list_models") == []
    assert call.waits == [0.125, 0.25]


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_beyond_the_maximum_fails_at_once(kind: str) -> None:
    call = Caller(kind=kind, handler=lambda _: httpx.Response(503, headers={"Retry-After": "31"}))
    with pytest.raises(UnavailableError) as caught:
        call("predict", "m", {})
    assert caught.value.retry_after_seconds == 31
    assert call.waits == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_of_one_attempt_repeats_nothing(kind: str) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("slow", request=request)

    call = Caller(kind=kind, handler=fail, retries=RetryPolicy(max_attempts=1))
    with pytest.raises(ResponseTimeoutError, match=r"http://models\.test/models does not answer: slow"):
        call("list_models")
    assert call.waits == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("Sun, 13 Sep 2020 12:27:10 GMT", 30.0),
        ("Sun, 13 Sep 2020 12:26:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("٣", None),
        ("", None),
    ],
    ids=["at once", "seconds", "a date", "a past date", "a word", "negative", "other digits", "empty"],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    headers = {b"Retry-After": text.encode()}
    assert parse_retry_after(httpx.Response(503, headers=headers), 1_600_000_000.0) == seconds


def test_the_wait_stays_within_the_maximum() -> None:
    policy = RetryPolicy(max_attempts=50, backoff_seconds=1, max_pause_seconds=10, random=lambda: 1.0)
    pauses = [policy.compute_pause(Repeat.ALWAYS, httpx.Response(503), each) for each in (1, 4, 5, 49, 50)]
    assert pauses == [1, 8, 10, 10, None]


@pytest.mark.parametrize(
    "wrong", [{"max_attempts": 0}, {"backoff_seconds": -1}, {"max_pause_seconds": float("nan")}], ids=str
)
def test_a_policy_is_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="|".join(wrong)):
        RetryPolicy(**wrong)  # type: ignore[arg-type]  # one number each
