"""The streams in memory, for tests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from servicio_ml.domain.ports import Clock
from servicio_ml.domain.stream import KEPT, MAX_BACKLOG, Message, Stream, Verdict, stream_name
from servicio_ml.errors import BrokerError

PLACE = "memory"


@dataclass(slots=True, kw_only=True)
class Waiting:
    """A request that is not finished; `owner` is empty until it is handed out."""

    fields: Mapping[str, str]
    owner: str = ""
    handed: float = 0.0
    deliveries: int = 0


@dataclass(slots=True)
class MemoryStreams:
    """What all consumers share: requests by their id, and the entries of the other streams by name."""

    requests: dict[str, dict[str, Waiting]] = field(default_factory=dict)
    entries: dict[str, list[Mapping[str, str]]] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    ids: Iterator[int] = field(default_factory=lambda: count(1))


class MemoryBroker:
    """One consumer; nothing waits."""

    def __init__(
        self, streams: MemoryStreams, consumer: str, clock: Clock, max_backlog: int = MAX_BACKLOG
    ) -> None:
        self._streams, self._consumer, self._clock, self._max_backlog = streams, consumer, clock, max_backlog

    def append(self, model: str, fields: Mapping[str, str]) -> str:
        waiting = self._streams.requests.setdefault(model, {})
        if len(waiting) >= self._max_backlog:
            raise BrokerError(PLACE, f"{stream_name(model, Stream.REQUESTS)} holds {len(waiting)} requests")
        made = f"{next(self._streams.ids)}-0"
        waiting[made] = Waiting(fields=dict(fields))
        return made

    def join(self, model: str) -> None:
        self._streams.groups.add(model)

    def read(
        self,
        models: Sequence[str],
        *,
        rows: int,
        wait_seconds: float,  # noqa: ARG002  nobody else could append meanwhile
    ) -> Mapping[str, Sequence[Message]]:
        taken = {}
        for model in models:
            fresh = [each for each, waiting in self._group(model).items() if not waiting.owner][:rows]
            if fresh:
                taken[model] = [self._handed(model, each) for each in fresh]
        return taken

    def claim(self, model: str, *, idle_seconds: float) -> Message | None:
        before = self._clock() - idle_seconds
        for each, waiting in self._group(model).items():
            if waiting.owner and waiting.handed <= before:
                return self._handed(model, each)
        return None

    def _handed(self, model: str, request: str) -> Message:
        waiting = self._streams.requests[model][request]
        waiting.owner, waiting.handed = self._consumer, self._clock()
        waiting.deliveries += 1
        return Message(id=request, fields=waiting.fields, deliveries=waiting.deliveries)

    def finish(self, model: str, verdicts: Sequence[Verdict]) -> int:
        requests, done = self._group(model), 0
        for verdict in verdicts:
            waiting = requests.get(verdict.request)
            if waiting is not None and waiting.owner == self._consumer:
                self._write(model, verdict)
                del requests[verdict.request]
                done += 1
        return done

    def _write(self, model: str, verdict: Verdict) -> None:
        entries = self._streams.entries.setdefault(stream_name(model, verdict.stream), [])
        entries.append(verdict.entry())
        del entries[: -KEPT[verdict.stream]]

    def backlog(self, model: str) -> int:
        return len(self._streams.requests.get(model, {}))

    def leave(self, model: str) -> None:
        self._group(model)

    def close(self) -> None:
        return None

    def _group(self, model: str) -> dict[str, Waiting]:
        if model not in self._streams.groups:
            raise BrokerError(PLACE, f"{stream_name(model, Stream.REQUESTS)} has no group; join it first")
        return self._streams.requests.setdefault(model, {})
