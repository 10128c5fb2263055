import pytest
from pydantic import BaseModel

from pages_app import NOWHERE, Canned
from streamlit_app.client.transport import Refused, Unreachable, opened


class Thing(BaseModel):
    size: int


def test_a_good_answer_is_typed(service: Canned) -> None:
    service.give("GET", "/thing", {"size": 3, "more": "ignored"})
    assert opened(service.url).ask(Thing, "GET", "/thing") == Thing(size=3)


def test_queries_leave_out_what_is_none_and_the_key_is_sent(service: Canned) -> None:
    service.give("GET", "/thing", {"size": 3})
    opened(service.url, "secret").ask(Thing, "GET", "/thing", params={"a": 1, "b": None})
    [call] = service.calls
    assert call.query == {"a": "1"}
    assert call.headers["x-api-key"] == "secret"


def test_the_key_is_not_told_by_the_transport(service: Canned) -> None:
    assert "secret" not in repr(opened(service.url, "secret"))


@pytest.mark.parametrize("document", [{"size": "three"}, [], "no JSON"], ids=["type", "shape", "text"])
def test_another_shape_is_no_answer(service: Canned, document: object) -> None:
    service.give("GET", "/thing", document)
    with pytest.raises(Unreachable, match="otherwise than expected"):
        opened(service.url).ask(Thing, "GET", "/thing")


def test_nobody_there() -> None:
    with pytest.raises(Unreachable, match=NOWHERE):
        opened(NOWHERE).raw("GET", "/")


def test_a_refusal_names_the_values(service: Canned) -> None:
    wrong = {"row": 2, "field": "size", "value": "big", "allowed": "a number", "reason": "type"}
    service.give("POST", "/thing", {"title": "Unprocessable", "detail": "1 value", "errors": [wrong]}, 422)
    with pytest.raises(Refused) as caught:
        opened(service.url).ask(Thing, "POST", "/thing", body={})
    assert caught.value.status == 422
    assert caught.value.detail == "1 value"
    assert caught.value.faults[0].model_dump() == wrong


@pytest.mark.parametrize("body", ["<html>gone</html>", "[1]", ""], ids=["HTML", "a list", "nothing"])
def test_a_refusal_of_a_stranger_is_told_by_its_status(service: Canned, body: str) -> None:
    service.give("GET", "/thing", body, 502)
    with pytest.raises(Refused, match="502: Bad Gateway"):
        opened(service.url).raw("GET", "/thing")


@pytest.mark.parametrize(("typed", "sent"), [(" secret ", "secret"), ("clavé", "clavé")])
def test_any_key_that_is_typed_is_sent(service: Canned, typed: str, sent: str) -> None:
    service.give("GET", "/thing", {"size": 3})
    opened(service.url, typed).raw("GET", "/thing")
    assert service.calls[0].headers["x-api-key"].encode("latin-1").decode() == sent


@pytest.mark.parametrize("status", [302, 520, 599], ids=["led away", "of a proxy", "no status at all"])
def test_what_is_not_success_is_refused(service: Canned, status: int) -> None:
    service.give("GET", "/thing", "elsewhere", status)
    with pytest.raises(Refused) as caught:
        opened(service.url).raw("GET", "/thing")
    assert caught.value.status == status
