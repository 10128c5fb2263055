"""Mutations of valid bytes, the same for the same seed."""

import random
from collections.abc import Callable, Iterator

EXTREMES = (
    b"\x00", b"\x7f", b"\x80", b"\xff", b'"', b"{", b"[", b"\\", b"\xed\xa0\x80", b"\xff" * 4,
    b"\xff\xff\xff\x7f", b"\xff" * 7 + b"\x7f", b"\x00" * 8,
    b"NaN", b"null", b"1e999", b"-0", b"\xef\xbb\xbf",
)  # fmt: skip
"""Bytes that readers trip over: limits of integers, half a surrogate pair, tokens, a byte order mark."""
MAX_SPAN, MAX_MUTATIONS = 24, 4


def mutate(valid: bytes, number: int, seed: int) -> Iterator[bytes]:
    """Yield a number of bodies, each with one to `MAX_MUTATIONS` mutations of the valid one."""
    source = random.Random(seed)  # noqa: S311  repeatable, no secrets
    for _ in range(number):
        body = bytearray(valid)
        for _ in range(source.randint(1, MAX_MUTATIONS)):
            source.choice(MUTATIONS)(body, source)
        yield bytes(body)


def _draw_span(body: bytearray, source: random.Random) -> slice:
    start = source.randrange(len(body) + 1)
    return slice(start, start + source.randint(1, MAX_SPAN))


def _flip_bit(body: bytearray, source: random.Random) -> None:
    if body:
        body[source.randrange(len(body))] ^= 1 << source.randrange(8)


def _overwrite(body: bytearray, source: random.Random) -> None:
    extreme = source.choice(EXTREMES)
    start = _draw_span(body, source).start
    body[start : start + len(extreme)] = extreme


def _insert(body: bytearray, source: random.Random) -> None:
    start = _draw_span(body, source).start
    body[start:start] = source.choice(EXTREMES)


def _delete(body: bytearray, source: random.Random) -> None:
    del body[_draw_span(body, source)]


def _repeat(body: bytearray, source: random.Random) -> None:
    span = _draw_span(body, source)
    body[span.start : span.start] = body[span] * source.randint(1, 3)


def _move(body: bytearray, source: random.Random) -> None:
    moved = body[_draw_span(body, source)]
    start = _draw_span(body, source).start
    body[start : start + len(moved)] = moved


def _truncate(body: bytearray, source: random.Random) -> None:
    # rarely short: a reader that stops at once finds nothing
    del body[max(source.randrange(len(body) + 1), source.randrange(len(body) + 1)) :]


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip_bit, _flip_bit, _flip_bit, _overwrite, _overwrite, _insert, _delete, _repeat, _move, _truncate,
)  # fmt: skip
