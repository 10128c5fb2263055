"""The streams in Redis or Valkey.

Steps that must be atomic are Lua scripts. A script writes the result before it acknowledges the request: an
error (out of memory) leaves the request in the stream. A finished request is deleted, so the length of
the stream is the backlog.
"""

import os
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from servicio_ml.domain.stream import (
    GROUP,
    MAX_BACKLOG,
    MAX_ENTRIES,
    StreamKind,
    StreamMessage,
    StreamOutcome,
    build_stream_name,
)
from servicio_ml.errors import BrokerError, SettingsError

CONNECT_SECONDS, RESPONSE_SECONDS = 3, 10
MILLISECONDS = 1000
GROUP_EXISTS = "BUSYGROUP"
APPEND = """
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return false end
return redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
"""
CLAIM = """
local found = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', 1)[1]
if not found then return false end
local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], found[1])[1]
return {found[1], found[4] + 1, claimed and claimed[2] or {}}
"""
FINISH = """
local done = 0
for i = 3, #ARGV, 9 do
  local id = ARGV[i]
  if redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2])[1] then
    local entries, kept = KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2]
    redis.call('XADD', entries, 'MAXLEN', '~', kept, '*', unpack(ARGV, i + 3, i + 8))
    redis.call('XACK', KEYS[1], ARGV[1], id)
    redis.call('XDEL', KEYS[1], id)
    done = done + 1
  end
end
return done
"""
LEAVE = """
if redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])[1] then return 0 end
return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
"""


class RedisBroker:
    """One consumer of the streams.

    Args:
        url: Address, `redis://`, `rediss://` or `unix://`.
        consumer: Name in the consumer group; host, process id and random digits by default.
        max_backlog: Maximum number of requests of one model that wait for a result.

    Raises:
        SettingsError: The address is malformed.
    """

    def __init__(self, url: str, *, consumer: str = "", max_backlog: int = MAX_BACKLOG) -> None:
        self._consumer = consumer or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._max_backlog, self._address = max_backlog, _strip_password(url)
        try:
            # no retries: an XADD whose response was lost would be repeated
            self._redis: Any = redis.Redis.from_url(
                url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=RESPONSE_SECONDS,
                retry=Retry(NoBackoff(), 0), protocol=2,
            )  # fmt: skip
        except ValueError as error:
            raise SettingsError("SERVICIO_ML_REDIS_URL", f"{self._address!r}: {error}") from error
        self._append, self._claim, self._finish, self._leave = (
            self._redis.register_script(script) for script in (APPEND, CLAIM, FINISH, LEAVE)
        )

    def append(self, model: str, fields: Mapping[str, str]) -> str:
        flat = [text for item in fields.items() for text in item]
        with self._translate_errors():
            made = self._append(keys=_build_keys(model, StreamKind.REQUESTS), args=[self._max_backlog, *flat])
        if made is None:
            name = build_stream_name(model, StreamKind.REQUESTS)
            problem = f"{name} holds {self._max_backlog} requests without a result; try again"
            raise BrokerError(self._address, f"{problem}, or start more workers")
        return _decode(made)

    def join(self, model: str) -> None:
        # "0": the group also gets requests from before it was created
        name = build_stream_name(model, StreamKind.REQUESTS)
        with self._translate_errors():
            try:
                self._redis.xgroup_create(name, GROUP, id="0", mkstream=True)
            except redis.ResponseError as error:
                if GROUP_EXISTS not in str(error):
                    raise
            # otherwise Redis lists it only after its first request
            self._redis.xgroup_createconsumer(name, GROUP, self._consumer)

    def read(
        self, models: Sequence[str], *, rows: int, wait_seconds: float
    ) -> Mapping[str, Sequence[StreamMessage]]:
        names = {build_stream_name(model, StreamKind.REQUESTS): model for model in models}
        with self._translate_errors():
            found = self._redis.xreadgroup(
                GROUP, self._consumer, dict.fromkeys(names, ">"), count=rows,
                block=round(wait_seconds * MILLISECONDS) or None,
            )  # fmt: skip
        return {
            names[_decode(name)]: [
                StreamMessage(id=_decode(each), fields=_decode_fields(fields)) for each, fields in entries
            ]
            for name, entries in found or ()
        }

    def claim(self, model: str, *, idle_seconds: float) -> StreamMessage | None:
        arguments: list[str | int] = [GROUP, self._consumer, round(idle_seconds * MILLISECONDS)]
        with self._translate_errors():
            found = self._claim(keys=_build_keys(model, StreamKind.REQUESTS), args=arguments)
        if found is None:
            return None
        message, deliveries, flat = found
        fields = _decode_fields(dict(zip(flat[::2], flat[1::2], strict=True)))
        return StreamMessage(id=_decode(message), fields=fields, deliveries=deliveries)

    def finish(self, model: str, verdicts: Sequence[StreamOutcome]) -> int:
        keys = [StreamKind.REQUESTS, *MAX_ENTRIES]
        arguments: list[str | int] = [GROUP, self._consumer]
        for verdict in verdicts:
            # Lua counts from 1
            arguments += [verdict.request, keys.index(verdict.stream) + 1, MAX_ENTRIES[verdict.stream]]
            arguments += [text for item in verdict.to_fields().items() for text in item]
        with self._translate_errors():
            return int(self._finish(keys=_build_keys(model, *keys), args=arguments))

    def count_backlog(self, model: str) -> int:
        with self._translate_errors():
            return int(self._redis.xlen(build_stream_name(model, StreamKind.REQUESTS)))

    def leave(self, model: str) -> None:
        with self._translate_errors():
            self._leave(keys=_build_keys(model, StreamKind.REQUESTS), args=[GROUP, self._consumer])

    def close(self) -> None:
        self._redis.close()

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise BrokerError(self._address, str(error) or type(error).__name__) from error


def _build_keys(model: str, *streams: StreamKind) -> list[str]:
    return [build_stream_name(model, stream) for stream in streams]


def _decode(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _decode_fields(found: Mapping[bytes, bytes]) -> Mapping[str, str]:
    return {_decode(name): _decode(value) for name, value in found.items()}


def _strip_password(url: str) -> str:
    """Remove user and password from an address."""
    split = urlsplit(url)
    return split._replace(netloc=split.netloc.rpartition("@")[2]).geturl()
