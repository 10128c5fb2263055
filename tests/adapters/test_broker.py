"""One contract for the streams in memory and for those in Redis."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from fakes.broker import MemoryBroker, MemoryStreams
from servers import find_free_port, start_redis_server
from services import ManualClock
from servicio_ml.adapters.redis_broker import RedisBroker
from servicio_ml.domain.ports.broker import Broker
from servicio_ml.domain.stream import (
    GROUP,
    MAX_ENTRIES,
    DeadLetter,
    StreamKind,
    StreamMessage,
    StreamResult,
    build_stream_name,
)
from servicio_ml.errors import BrokerError, SettingsError

MODEL, OTHER = "rain", "cars"


@dataclass(frozen=True, kw_only=True)
class BrokerFixture:
    """Streams that consumers share.

    `create_consumer` makes one by its name and greatest backlog, `read_entries` reads a stream.
    """

    create_consumer: Callable[..., Broker]
    read_entries: Callable[[str, StreamKind], list[Mapping[str, str]]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.slow)])
def streams(request: pytest.FixtureRequest) -> Iterator[BrokerFixture]:
    if request.param == "memory":
        yield _create_in_memory()
        return
    url = request.getfixturevalue("server")
    client: Any = redis.Redis.from_url(url, decode_responses=True, protocol=2)
    client.flushall()
    made: list[Broker] = []

    def open_consumer(name: str, **options: int) -> Broker:
        made.append(RedisBroker(url, consumer=name, **options))
        return made[-1]

    yield BrokerFixture(
        create_consumer=open_consumer,
        read_entries=lambda model, stream: [
            fields for _, fields in client.xrange(build_stream_name(model, stream))
        ],
    )
    for broker in made:
        broker.close()
    client.close()


def _create_in_memory() -> BrokerFixture:
    streams, watch = MemoryStreams(), ManualClock()

    def list_entries(model: str, stream: StreamKind) -> list[Mapping[str, str]]:
        if stream is StreamKind.REQUESTS:
            return [waiting.fields for waiting in streams.requests.get(model, {}).values()]
        return streams.entries.get(build_stream_name(model, stream), [])

    return BrokerFixture(
        create_consumer=lambda name, **options: MemoryBroker(streams, name, watch, **options),
        read_entries=list_entries,
    )


def _read(broker: Broker, rows: int = 10, wait_seconds: float = 0) -> list[StreamMessage]:
    return list(broker.read([MODEL], rows=rows, wait_seconds=wait_seconds).get(MODEL, ()))


def _build_result(message: StreamMessage, answer: str = "{}") -> StreamResult:
    return StreamResult(request=message.id, key=message.fields.get("key", ""), answer=answer)


class TestBroker:
    def test_requests_are_read_in_order_also_those_before_the_group(self, streams: BrokerFixture) -> None:
        one, two = streams.create_consumer("one"), streams.create_consumer("two")
        ids = [one.append(MODEL, {"record": str(number), "key": "é"}) for number in range(5)]
        one.join(MODEL)
        two.join(MODEL)
        first, second = _read(one, rows=3), _read(two)
        assert [message.id for message in (*first, *second)] == ids
        assert [message.fields["record"] for message in (*first, *second)] == ["0", "1", "2", "3", "4"]
        assert {message.fields["key"] for message in first} == {"é"}
        assert {message.deliveries for message in first} == {1}
        assert _read(one, wait_seconds=0.01) == []

    def test_several_models_are_read_at_once(self, streams: BrokerFixture) -> None:
        broker = streams.create_consumer("one")
        for model in (MODEL, OTHER):
            broker.join(model)
        broker.append(OTHER, {"record": "{}"})
        assert [*broker.read([MODEL, OTHER], rows=10, wait_seconds=0)] == [OTHER]
        broker.append(MODEL, {"record": "{}"})
        broker.append(OTHER, {"record": "{}"})
        assert {
            model: len(messages)
            for model, messages in broker.read([MODEL, OTHER], rows=10, wait_seconds=0).items()
        } == {MODEL: 1, OTHER: 1}

    def test_a_finished_request_has_its_result_and_is_gone(self, streams: BrokerFixture) -> None:
        broker = streams.create_consumer("one")
        broker.join(MODEL)
        for number in range(3):
            broker.append(MODEL, {"record": str(number), "key": f"k{number}"})
        good, poison, _ = _read(broker)
        dead = DeadLetter(request=poison.id, reason="no JSON", fields=poison.fields)
        assert broker.count_backlog(MODEL) == 3
        assert broker.finish(MODEL, [_build_result(good, '{"a": 1}'), dead]) == 2
        assert broker.count_backlog(MODEL) == 1
        assert len(streams.read_entries(MODEL, StreamKind.REQUESTS)) == 1
        assert streams.read_entries(MODEL, StreamKind.RESULTS) == [
            {"request": good.id, "key": "k0", "answer": '{"a": 1}'}
        ]
        (entry,) = streams.read_entries(MODEL, StreamKind.DEAD)
        assert (entry["request"], entry["reason"]) == (poison.id, "no JSON")
        assert json.loads(entry["fields"]) == {"record": "1", "key": "k1"}

    def test_finishing_again_writes_nothing(self, streams: BrokerFixture) -> None:
        broker = streams.create_consumer("one")
        broker.join(MODEL)
        broker.append(MODEL, {"record": "{}"})
        (message,) = _read(broker)
        assert broker.finish(MODEL, [_build_result(message)]) == 1
        assert broker.finish(MODEL, [_build_result(message)]) == 0
        assert len(streams.read_entries(MODEL, StreamKind.RESULTS)) == 1

    def test_what_was_taken_over_is_answered_by_its_new_owner_alone(self, streams: BrokerFixture) -> None:
        slow, quick = streams.create_consumer("slow"), streams.create_consumer("quick")
        slow.join(MODEL)
        slow.append(MODEL, {"record": "1", "key": "k"})
        (message,) = _read(slow)
        assert quick.claim(MODEL, idle_seconds=3600) is None
        claimed = quick.claim(MODEL, idle_seconds=0)
        assert claimed == StreamMessage(id=message.id, fields={"record": "1", "key": "k"}, deliveries=2)
        assert slow.finish(MODEL, [_build_result(message, "slow")]) == 0
        assert quick.finish(MODEL, [_build_result(message, "quick")]) == 1
        assert [entry["answer"] for entry in streams.read_entries(MODEL, StreamKind.RESULTS)] == ["quick"]
        assert quick.claim(MODEL, idle_seconds=0) is None

    def test_deliveries_are_counted_and_the_oldest_is_claimed_first(self, streams: BrokerFixture) -> None:
        broker = streams.create_consumer("one")
        broker.join(MODEL)
        ids = [broker.append(MODEL, {"record": str(number)}) for number in range(2)]
        assert broker.claim(MODEL, idle_seconds=0) is None  # nobody has them yet
        _read(broker)
        seen = []
        for _ in range(2):
            claimed = broker.claim(MODEL, idle_seconds=0)
            assert claimed is not None
            seen.append((claimed.id, claimed.deliveries))
        assert seen == [(ids[0], 2), (ids[0], 3)]

    def test_a_full_backlog_refuses_and_forgets_nothing(self, streams: BrokerFixture) -> None:
        broker = streams.create_consumer("one", max_backlog=3)
        for number in range(3):
            broker.append(MODEL, {"record": str(number)})
        with pytest.raises(BrokerError, match="servicio_ml:rain:requests holds 3 requests"):
            broker.append(MODEL, {"record": "3"})
        broker.join(MODEL)
        messages = _read(broker)
        assert [message.fields["record"] for message in messages] == ["0", "1", "2"]
        broker.finish(MODEL, [_build_result(message) for message in messages])
        assert broker.append(MODEL, {"record": "3"})

    def test_the_backlog_of_a_model_without_requests_is_nothing(self, streams: BrokerFixture) -> None:
        assert streams.create_consumer("one").count_backlog("unheard_of") == 0

    def test_without_a_group_reading_is_refused(self, streams: BrokerFixture) -> None:
        broker = streams.create_consumer("one")
        with pytest.raises(BrokerError, match="requests"):
            broker.read([MODEL], rows=1, wait_seconds=0)
        broker.join(MODEL)
        broker.join(MODEL)
        assert broker.read([MODEL], rows=1, wait_seconds=0) == {}

    def test_who_leaves_with_requests_in_flight_leaves_them_to_others(self, streams: BrokerFixture) -> None:
        one, two = streams.create_consumer("one"), streams.create_consumer("two")
        one.join(MODEL)
        one.append(MODEL, {"record": "1"})
        _read(one)
        one.leave(MODEL)
        claimed = two.claim(MODEL, idle_seconds=0)
        assert claimed is not None
        assert two.finish(MODEL, [_build_result(claimed)]) == 1
        one.leave(MODEL)

    def test_results_are_bounded(self, streams: BrokerFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(MAX_ENTRIES, StreamKind.RESULTS, 100)
        broker = streams.create_consumer("one")
        broker.join(MODEL)
        ids = [broker.append(MODEL, {"record": "1"}) for _ in range(500)]
        broker.finish(MODEL, [_build_result(message) for message in _read(broker, rows=500)])
        kept = streams.read_entries(MODEL, StreamKind.RESULTS)
        assert 100 <= len(kept) <= 200
        assert [entry["request"] for entry in kept] == ids[-len(kept) :]


@pytest.fixture
def client(server: str) -> Iterator[Any]:
    made = redis.Redis.from_url(server, decode_responses=True, protocol=2)
    made.flushall()
    yield made
    made.close()


@pytest.fixture
def broker(server: str) -> Iterator[RedisBroker]:
    made = RedisBroker(server, consumer="one")
    yield made
    made.close()


@pytest.mark.slow
class TestRedis:
    def test_reading_waits_for_a_request(self, broker: RedisBroker, client: Any) -> None:
        broker.join(MODEL)
        before = client.time()
        assert _read(broker, wait_seconds=0.2) == []
        after = client.time()
        assert (after[0] - before[0]) * 1_000_000 + after[1] - before[1] >= 200_000

    def test_bytes_that_are_no_text_arrive_as_escapes(self, broker: RedisBroker, client: Any) -> None:
        broker.join(MODEL)
        client.xadd(build_stream_name(MODEL, StreamKind.REQUESTS), {b"record": b'{"\xff": 1}'})
        (message,) = _read(broker)
        assert message.fields == {"record": '{"\\xff": 1}'}

    def test_without_memory_a_request_stays_where_it_was(self, broker: RedisBroker, client: Any) -> None:
        broker.join(MODEL)
        broker.append(MODEL, {"record": "1"})
        (message,) = _read(broker)
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(BrokerError, match="maxmemory"):
                broker.finish(MODEL, [_build_result(message)])
            with pytest.raises(BrokerError, match="maxmemory"):
                broker.append(MODEL, {"record": "2"})
        finally:
            client.config_set("maxmemory", 0)
        assert broker.count_backlog(MODEL) == 1
        assert broker.finish(MODEL, [_build_result(message)]) == 1

    def test_a_request_that_its_sender_deleted_is_not_answered(
        self, broker: RedisBroker, client: Any
    ) -> None:
        broker.join(MODEL)
        broker.append(MODEL, {"record": "1"})
        (message,) = _read(broker)
        client.xdel(build_stream_name(MODEL, StreamKind.REQUESTS), message.id)
        claimed = broker.claim(MODEL, idle_seconds=0)
        assert claimed is None or claimed.fields == {}
        assert broker.claim(MODEL, idle_seconds=0) is None

    def test_a_consumer_is_known_from_joining_to_leaving(self, broker: RedisBroker, client: Any) -> None:
        name = build_stream_name(MODEL, StreamKind.REQUESTS)
        broker.join(MODEL)
        assert [each["name"] for each in client.xinfo_consumers(name, GROUP)] == ["one"]
        broker.append(MODEL, {"record": "1"})
        (message,) = _read(broker)
        broker.leave(MODEL)
        assert [each["name"] for each in client.xinfo_consumers(name, GROUP)] == ["one"]
        broker.finish(MODEL, [_build_result(message)])
        broker.leave(MODEL)
        assert client.xinfo_consumers(name, GROUP) == []


def test_a_broker_that_is_not_there_is_named_without_its_password() -> None:
    broker = RedisBroker(f"redis://user:secret@127.0.0.1:{find_free_port()}/0")
    with pytest.raises(BrokerError, match=r"redis://127\.0\.0\.1:\d+/0: .*SERVICIO_ML_REDIS_URL") as caught:
        broker.count_backlog(MODEL)
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_a_server_that_came_back_is_reached_again(tmp_path: Path) -> None:
    port = find_free_port()
    with start_redis_server(tmp_path, port) as url:
        broker = RedisBroker(url)
        broker.append(MODEL, {"record": "1"})
    with pytest.raises(BrokerError):
        broker.count_backlog(MODEL)
    with start_redis_server(tmp_path, port):
        assert broker.count_backlog(MODEL) == 0
    broker.close()


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"SERVICIO_ML_REDIS_URL: '127\.0\.0\.1:6379'"):
        RedisBroker("127.0.0.1:6379")
