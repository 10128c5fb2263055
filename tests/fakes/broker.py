"""A broker in memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.stream import (
    MAX_BACKLOG,
    MAX_ENTRIES,
    StreamKind,
    StreamMessage,
    StreamOutcome,
    build_stream_name,
)
from servicio_ml.errors import BrokerError

ADDRESS = "memory"


@dataclass(slots=True, kw_only=True)
class PendingRequest:
    """A request that is not finished; `owner` is empty until its first delivery."""

    fields: Mapping[str, str]
    owner: str = ""
    delivered_at: float = 0.0
    deliveries: int = 0


@dataclass(slots=True)
class MemoryStreams:
    """State that all consumers share: requests by model and id, entries of other streams by name."""

    requests: dict[str, dict[str, PendingRequest]] = field(default_factory=dict)
    entries: dict[str, list[Mapping[str, str]]] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    ids: Iterator[int] = field(default_factory=lambda: count(1))


class MemoryBroker:
    """One consumer; reading never waits."""

    def __init__(
        self, streams: MemoryStreams, consumer: str, clock: Clock, max_backlog: int = MAX_BACKLOG
    ) -> None:
        self._streams, self._consumer, self._clock, self._max_backlog = streams, consumer, clock, max_backlog

    def append(self, model: str, fields: Mapping[str, str]) -> str:
        waiting = self._streams.requests.setdefault(model, {})
        if len(waiting) >= self._max_backlog:
            raise BrokerError(
                ADDRESS, f"{build_stream_name(model, StreamKind.REQUESTS)} holds {len(waiting)} requests"
            )
        made = f"{next(self._streams.ids)}-0"
        waiting[made] = PendingRequest(fields=dict(fields))
        return made

    def join(self, model: str) -> None:
        self._streams.groups.add(model)

    def read(
        self,
        models: Sequence[str],
        *,
        rows: int,
        wait_seconds: float,  # noqa: ARG002  no other thread could append meanwhile
    ) -> Mapping[str, Sequence[StreamMessage]]:
        taken = {}
        for model in models:
            fresh = [each for each, waiting in self._get_group(model).items() if not waiting.owner][:rows]
            if fresh:
                taken[model] = [self._deliver(model, each) for each in fresh]
        return taken

    def claim(self, model: str, *, idle_seconds: float) -> StreamMessage | None:
        before = self._clock() - idle_seconds
        for each, waiting in self._get_group(model).items():
            if waiting.owner and waiting.delivered_at <= before:
                return self._deliver(model, each)
        return None

    def _deliver(self, model: str, request: str) -> StreamMessage:
        waiting = self._streams.requests[model][request]
        waiting.owner, waiting.delivered_at = self._consumer, self._clock()
        waiting.deliveries += 1
        return StreamMessage(id=request, fields=waiting.fields, deliveries=waiting.deliveries)

    def finish(self, model: str, verdicts: Sequence[StreamOutcome]) -> int:
        requests, done = self._get_group(model), 0
        for verdict in verdicts:
            waiting = requests.get(verdict.request)
            if waiting is not None and waiting.owner == self._consumer:
                self._write_entry(model, verdict)
                del requests[verdict.request]
                done += 1
        return done

    def _write_entry(self, model: str, verdict: StreamOutcome) -> None:
        entries = self._streams.entries.setdefault(build_stream_name(model, verdict.stream), [])
        entries.append(verdict.to_fields())
        del entries[: -MAX_ENTRIES[verdict.stream]]

    def count_backlog(self, model: str) -> int:
        return len(self._streams.requests.get(model, {}))

    def leave(self, model: str) -> None:
        self._get_group(model)

    def close(self) -> None:
        return None

    def _get_group(self, model: str) -> dict[str, PendingRequest]:
        if model not in self._streams.groups:
            raise BrokerError(
                ADDRESS, f"{build_stream_name(model, StreamKind.REQUESTS)} has no group; join it first"
            )
        return self._streams.requests.setdefault(model, {})
