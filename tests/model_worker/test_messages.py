"""A message arrives as it was sent, or is refused; nothing waits for ever."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from servicio_ml.model_worker import messages

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        yield mine, theirs


@pytest.mark.parametrize("payload", [b"", b"\x00\xff", b"x" * (3 << 20)], ids=["none", "bytes", "3 MiB"])
def test_a_message_arrives_as_it_was_sent(pair: Pair, payload: bytes) -> None:
    mine, theirs = pair
    thread = threading.Thread(target=messages.send_message, args=(mine, {"request": "é\n"}, payload))
    thread.start()
    header, received = messages.receive_message(theirs)
    assert (header, bytes(received)) == ({"request": "é\n"}, payload)
    thread.join()


def test_messages_arrive_in_order(pair: Pair) -> None:
    mine, theirs = pair
    for number in range(3):
        messages.send_message(mine, {"number": number}, bytes([number]))
    found = [messages.receive_message(theirs) for _ in range(3)]
    assert [(header["number"], bytes(payload)) for header, payload in found] == [
        (0, b"\x00"),
        (1, b"\x01"),
        (2, b"\x02"),
    ]


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [((1 << 21, 0), "2097152 and 0 bytes is larger"), ((2, 1 << 40), "1099511627776 bytes is larger")],
    ids=["header", "payload"],
)
def test_a_size_beyond_the_limit_takes_no_memory(pair: Pair, sizes: tuple[int, int], problem: str) -> None:
    mine, theirs = pair
    mine.sendall(messages.SIZES.pack(*sizes))
    with pytest.raises(ValueError, match=problem):
        messages.receive_message(theirs)


@pytest.mark.parametrize("head", [b"[]", b"{", b"\xff\xff"], ids=["list", "cut", "no text"])
def test_a_header_that_is_no_object_is_refused(pair: Pair, head: bytes) -> None:
    mine, theirs = pair
    mine.sendall(messages.SIZES.pack(len(head), 0) + head)
    with pytest.raises(ValueError, match=r"."):
        messages.receive_message(theirs)


def test_a_cut_message_is_an_end(pair: Pair) -> None:
    mine, theirs = pair
    mine.sendall(messages.SIZES.pack(10, 10) + b'{"a"')
    mine.close()
    with pytest.raises(EOFError):
        messages.receive_message(theirs)


def test_nothing_is_waited_for_beyond_the_deadline(pair: Pair) -> None:
    mine, theirs = pair
    mine.sendall(messages.SIZES.pack(10, 10))
    with pytest.raises(TimeoutError):
        messages.receive_message(theirs, deadline=time.monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        messages.receive_message(theirs, deadline=time.monotonic() - 1)


def test_a_reader_that_does_not_read_holds_nobody_up(pair: Pair) -> None:
    mine, _ = pair
    with pytest.raises(TimeoutError):
        messages.send_message(mine, {}, b"x" * (32 << 20), deadline=time.monotonic() + 0.05)
