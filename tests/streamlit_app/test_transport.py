import pytest
from pydantic import BaseModel

from pages_app import UNREACHABLE_API, FakeServer
from streamlit_app.client.transport import RefusedError, UnreachableError, connect


class Thing(BaseModel):
    size: int


def test_a_good_answer_is_typed(service: FakeServer) -> None:
    service.set_response("GET", "/thing", {"size": 3, "more": "ignored"})
    assert connect(service.url).fetch(Thing, "GET", "/thing") == Thing(size=3)


def test_queries_leave_out_what_is_none_and_the_key_is_sent(service: FakeServer) -> None:
    service.set_response("GET", "/thing", {"size": 3})
    connect(service.url, "secret").fetch(Thing, "GET", "/thing", params={"a": 1, "b": None})
    [call] = service.calls
    assert call.query == {"a": "1"}
    assert call.headers["x-api-key"] == "secret"


def test_the_key_is_not_in_the_repr(service: FakeServer) -> None:
    assert "secret" not in repr(connect(service.url, "secret"))


@pytest.mark.parametrize("document", [{"size": "three"}, [], "no JSON"], ids=["type", "shape", "text"])
def test_another_shape_is_no_answer(service: FakeServer, document: object) -> None:
    service.set_response("GET", "/thing", document)
    with pytest.raises(UnreachableError, match="unexpected form"):
        connect(service.url).fetch(Thing, "GET", "/thing")


def test_no_service_at_the_address() -> None:
    with pytest.raises(UnreachableError, match=UNREACHABLE_API):
        connect(UNREACHABLE_API).request("GET", "/")


def test_a_refusal_names_the_values(service: FakeServer) -> None:
    wrong = {"row": 2, "field": "size", "value": "big", "allowed": "a number", "reason": "type"}
    service.set_response(
        "POST", "/thing", {"title": "Unprocessable", "detail": "1 value", "errors": [wrong]}, 422
    )
    with pytest.raises(RefusedError) as caught:
        connect(service.url).fetch(Thing, "POST", "/thing", body={})
    assert caught.value.status == 422
    assert caught.value.detail == "1 value"
    assert caught.value.field_errors[0].model_dump() == wrong


@pytest.mark.parametrize("body", ["<html>gone</html>", "[1]", ""], ids=["HTML", "a list", "nothing"])
def test_a_refusal_without_a_document_is_reported_by_its_status(service: FakeServer, body: str) -> None:
    service.set_response("GET", "/thing", body, 502)
    with pytest.raises(RefusedError, match="502: Bad Gateway"):
        connect(service.url).request("GET", "/thing")


@pytest.mark.parametrize(("typed", "sent"), [(" secret ", "secret"), ("clavé", "clavé")])
def test_any_key_that_is_typed_is_sent(service: FakeServer, typed: str, sent: str) -> None:
    service.set_response("GET", "/thing", {"size": 3})
    connect(service.url, typed).request("GET", "/thing")
    assert service.calls[0].headers["x-api-key"].encode("latin-1").decode() == sent


@pytest.mark.parametrize("status", [302, 520, 599], ids=["led away", "of a proxy", "no status at all"])
def test_what_is_not_success_is_refused(service: FakeServer, status: int) -> None:
    service.set_response("GET", "/thing", "elsewhere", status)
    with pytest.raises(RefusedError) as caught:
        connect(service.url).request("GET", "/thing")
    assert caught.value.status == status
