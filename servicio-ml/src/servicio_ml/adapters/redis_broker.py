"""The streams in Redis or Valkey.

What must happen at once is a script: in a script an entry is written before its request is acknowledged, so
that a refusal (no memory left) leaves the request where it was. A finished request is deleted, so that the
length of the stream is the backlog.
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

from servicio_ml.domain.stream import GROUP, KEPT, MAX_BACKLOG, Message, Stream, Verdict, stream_name
from servicio_ml.errors import BrokerError, SettingsError

CONNECT_SECONDS, ANSWER_SECONDS = 3, 10
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
    """One consumer.

    Args:
        url: `redis://`, `rediss://` or `unix://` address.
        consumer: Its name in the group; made up of host, process and chance when not given.
        max_backlog: Requests of one model that may wait for an answer.

    Raises:
        SettingsError: The address is none.
    """

    def __init__(self, url: str, *, consumer: str = "", max_backlog: int = MAX_BACKLOG) -> None:
        self._consumer = consumer or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._max_backlog, self._place = max_backlog, _shown(url)
        try:
            # no retries of its own: an XADD whose answer was lost would be done twice
            self._redis: Any = redis.Redis.from_url(
                url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 0), protocol=2,
            )  # fmt: skip
        except ValueError as error:
            raise SettingsError("SERVICIO_ML_REDIS_URL", f"{self._place!r}: {error}") from error
        self._append, self._claim, self._finish, self._leave = (
            self._redis.register_script(script) for script in (APPEND, CLAIM, FINISH, LEAVE)
        )

    def append(self, model: str, fields: Mapping[str, str]) -> str:
        flat = [part for pair in fields.items() for part in pair]
        with self._told():
            made = self._append(keys=_keys(model, Stream.REQUESTS), args=[self._max_backlog, *flat])
        if made is None:
            name = stream_name(model, Stream.REQUESTS)
            problem = f"{name} holds {self._max_backlog} requests without an answer; try again"
            raise BrokerError(self._place, f"{problem}, or start more workers")
        return _text(made)

    def join(self, model: str) -> None:
        name = stream_name(model, Stream.REQUESTS)
        with self._told():
            try:
                self._redis.xgroup_create(name, GROUP, id="0", mkstream=True)
            except redis.ResponseError as error:
                if GROUP_EXISTS not in str(error):
                    raise
            # else it would be seen only when it gets its first request
            self._redis.xgroup_createconsumer(name, GROUP, self._consumer)

    def read(
        self, models: Sequence[str], *, rows: int, wait_seconds: float
    ) -> Mapping[str, Sequence[Message]]:
        names = {stream_name(model, Stream.REQUESTS): model for model in models}
        with self._told():
            found = self._redis.xreadgroup(
                GROUP, self._consumer, dict.fromkeys(names, ">"), count=rows,
                block=round(wait_seconds * MILLISECONDS) or None,
            )  # fmt: skip
        return {
            names[_text(name)]: [Message(id=_text(each), fields=_fields(fields)) for each, fields in entries]
            for name, entries in found or ()
        }

    def claim(self, model: str, *, idle_seconds: float) -> Message | None:
        arguments: list[str | int] = [GROUP, self._consumer, round(idle_seconds * MILLISECONDS)]
        with self._told():
            found = self._claim(keys=_keys(model, Stream.REQUESTS), args=arguments)
        if found is None:
            return None
        message, deliveries, flat = found
        fields = _fields(dict(zip(flat[::2], flat[1::2], strict=True)))
        return Message(id=_text(message), fields=fields, deliveries=deliveries)

    def finish(self, model: str, verdicts: Sequence[Verdict]) -> int:
        keys = [Stream.REQUESTS, *KEPT]
        arguments: list[str | int] = [GROUP, self._consumer]
        for verdict in verdicts:
            # scripts count from 1
            arguments += [verdict.request, keys.index(verdict.stream) + 1, KEPT[verdict.stream]]
            arguments += [part for pair in verdict.entry().items() for part in pair]
        with self._told():
            return int(self._finish(keys=_keys(model, *keys), args=arguments))

    def backlog(self, model: str) -> int:
        with self._told():
            return int(self._redis.xlen(stream_name(model, Stream.REQUESTS)))

    def leave(self, model: str) -> None:
        with self._told():
            self._leave(keys=_keys(model, Stream.REQUESTS), args=[GROUP, self._consumer])

    def close(self) -> None:
        self._redis.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise BrokerError(self._place, str(error) or type(error).__name__) from error


def _keys(model: str, *streams: Stream) -> list[str]:
    return [stream_name(model, stream) for stream in streams]


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _fields(found: Mapping[bytes, bytes]) -> Mapping[str, str]:
    return {_text(name): _text(value) for name, value in found.items()}


def _shown(url: str) -> str:
    """An address without its password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
