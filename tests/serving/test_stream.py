"""The stream worker on streams in memory."""

import json
import logging
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from services import Bench, bench
from servicio_ml.adapters.memory_broker import MemoryBroker, MemoryStreams
from servicio_ml.adapters.memory_log import rows_of
from servicio_ml.domain.prediction import Chunk, Prediction, Protocol
from servicio_ml.domain.stream import Message, Stream, Verdict, stream_name
from servicio_ml.errors import BrokerError, JournalError, LogError, ServicioError
from servicio_ml.serving.recorder import LogPolicy
from servicio_ml.serving.stream import BATCH_ROWS, MAX_DELIVERIES, Backlog, StreamWorker

MODEL = "small"
RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
CLAIM_AFTER = 30.0


class Desk:
    """A bench with a worker on streams in memory."""

    def __init__(self, made: Bench) -> None:
        self.bench, self.streams = made, MemoryStreams()
        self.broker = self.consumer("first")
        self.worker = self.employed(self.broker)

    def consumer(self, name: str) -> MemoryBroker:
        return MemoryBroker(self.streams, name, self.bench.watch)

    def employed(self, broker: MemoryBroker) -> StreamWorker:
        return StreamWorker(self.bench.service, broker, claim_after_seconds=CLAIM_AFTER)

    def send(self, **changes: Any) -> str:
        return self.broker.append(MODEL, {"record": json.dumps({**RECORD, **changes}), "key": "k"})

    def entries(self, stream: Stream) -> list[Mapping[str, str]]:
        return self.streams.entries.get(stream_name(MODEL, stream), [])

    @property
    def results(self) -> dict[str, Any]:
        """Message id to answer; each stands there once."""
        found = self.entries(Stream.RESULTS)
        answers = {entry["request"]: json.loads(entry["answer"]) for entry in found}
        assert len(answers) == len(found)
        return answers

    @property
    def logged(self) -> list[Prediction]:
        return [row for chunk in self.bench.log.written.values() for row in rows_of(chunk)]

    def sample(self, name: str, **labels: str) -> float | None:
        return self.bench.metrics.get_sample_value(name, labels)


@pytest.fixture
def desk(tmp_path: Path, artifact_folder: Path) -> Desk:
    return Desk(bench(tmp_path, artifact_folder))


def test_an_answer_is_what_the_predictor_says_and_stands_in_the_log(desk: Desk) -> None:
    sent = [desk.send(weight=weight) for weight in (-3.0, 0.0, 3.0)]
    desk.worker.step(0)
    served = desk.bench.service.models.champion(MODEL)
    bodies = [json.dumps({**RECORD, "weight": weight}).encode() for weight in (-3.0, 0.0, 3.0)]
    matrix = np.concatenate([served.decoder.record(body) for body in bodies])
    expected = desk.bench.service.predictor.answer_now(served, matrix, Protocol.REST).documents()
    assert [*desk.results] == sent
    for answer, document in zip(desk.results.values(), expected, strict=True):
        assert {**answer, "prediction_id": ""} == {**document, "prediction_id": ""}
    rows = {row.id: row for row in desk.logged}
    assert len({answer["prediction_id"] for answer in desk.results.values()}) == 3
    for answer in desk.results.values():
        assert rows[answer["prediction_id"]].outcome == answer["prediction"]
    assert {entry["key"] for entry in desk.entries(Stream.RESULTS)} == {"k"}
    assert desk.broker.backlog(MODEL) == 0


def test_the_rows_are_counted_as_of_the_stream(desk: Desk) -> None:
    for _ in range(5):
        desk.send()
    desk.worker.step(0)
    outcomes = [
        desk.sample(
            "servicio_ml_predictions_total", model=MODEL, version="1", protocol="stream", outcome=outcome
        )
        for outcome in ("no", "yes")
    ]
    assert sum(filter(None, outcomes)) == 5


@pytest.mark.parametrize(
    ("fields", "said", "feature", "reason"),
    [
        ({"record": "{"}, "EOF", "", "type"),
        ({"record": "[1]"}, "object", "", "type"),
        ({"record": '{"weight": NaN}'}, "weight", "weight", "range"),
        ({"record": json.dumps({**RECORD, "weight": 99})}, "'weight': 99", "weight", "range"),
        ({"record": json.dumps({**RECORD, "colour": "mauve"})}, "'mauve'", "colour", "level"),
        ({"record": json.dumps({**RECORD, "wait": 1})}, "no such field", "", "unknown_field"),
        ({"record": json.dumps({"size": 1.0})}, "'day': None", "day", "missing"),
        ({"record": '{"\\xff": 1}'}, "body", "", "type"),
        ({"Record": "{}"}, "field 'record': None", "", "missing"),
    ],
    ids=["cut off", "no object", "nan", "range", "level", "unknown", "missing", "no text", "no record"],
)
def test_poison_goes_to_the_dead_letters_with_its_reason(
    desk: Desk, fields: dict[str, str], said: str, feature: str, reason: str
) -> None:
    before, poison, after = desk.send(), desk.broker.append(MODEL, fields), desk.send()
    desk.worker.step(0)
    assert [*desk.results] == [before, after]
    (dead,) = desk.entries(Stream.DEAD)
    assert dead["request"] == poison
    assert said in dead["reason"]
    assert json.loads(dead["fields"]) == fields
    counted = desk.sample("servicio_ml_rejected_values_total", model=MODEL, feature=feature, reason=reason)
    assert counted is not None
    assert desk.broker.backlog(MODEL) == 0
    assert len(desk.logged) == 2


def test_a_whole_batch_is_one_write_of_the_journal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = desk.bench.log.write

    def counted(chunks: Sequence[Chunk]) -> None:
        sizes.append(len(chunks))
        write(chunks)

    monkeypatch.setattr(desk.bench.log, "write", counted)
    for _ in range(BATCH_ROWS + 4):
        desk.send()
    desk.worker.step(0)
    desk.worker.step(0)
    assert sizes == [BATCH_ROWS, 4]
    assert len(desk.results) == BATCH_ROWS + 4


def _taken(desk: Desk) -> MemoryBroker:
    """A second consumer that reads what waits and does no more."""
    other = desk.consumer("second")
    other.join(MODEL)
    other.read([MODEL], rows=BATCH_ROWS, wait_seconds=0)
    return other


def test_what_a_dead_worker_left_is_answered_after_a_while(desk: Desk) -> None:
    sent = [desk.send(weight=float(weight)) for weight in range(3)]
    _taken(desk)
    desk.worker.step(0)
    assert desk.results == {}
    desk.bench.watch.now += CLAIM_AFTER
    fresh = desk.send()
    desk.worker.step(0)
    assert [*desk.results] == [sent[0], fresh]  # old ones one by one, new ones beside them
    for _ in sent[1:]:
        desk.worker.step(0)
    assert [*desk.results] == [sent[0], fresh, *sent[1:]]
    assert len(desk.logged) == 4


def test_it_waits_for_requests_unless_it_has_some_in_hand(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, read = [], desk.broker.read

    def noted(models: Sequence[str], *, rows: int, wait_seconds: float) -> Any:
        waits.append(wait_seconds)
        return read(models, rows=rows, wait_seconds=wait_seconds)

    monkeypatch.setattr(desk.broker, "read", noted)
    desk.send()
    _taken(desk)
    desk.worker.step(0.7)
    desk.bench.watch.now += CLAIM_AFTER
    desk.worker.step(0.7)
    assert waits == [0.7, 0]


class Dying(MemoryBroker):
    """A consumer that dies before it finishes anything."""

    def finish(self, model: str, verdicts: Sequence[Verdict]) -> int:  # noqa: ARG002  it does not come to that
        raise SystemExit


def test_what_was_logged_before_a_death_is_answered_as_it_was_logged(
    desk: Desk, artifact_folder: Path, tmp_path: Path
) -> None:
    sent = [desk.send(weight=weight) for weight in (-3.0, 0.0, 3.0)]
    with pytest.raises(SystemExit):
        desk.employed(Dying(desk.streams, "dying", desk.bench.watch)).step(0)
    before = {row.id: row for row in desk.logged}
    assert len(before) == 3
    desk.bench.promote(_contrary(artifact_folder, tmp_path / "contrary"))
    desk.bench.watch.now += CLAIM_AFTER
    for _ in sent:
        desk.worker.step(0)
    assert [*desk.results] == sent
    assert {answer["version"] for answer in desk.results.values()} == {1}
    for answer in desk.results.values():
        row = before[answer["prediction_id"]]
        assert (answer["prediction"], answer["probability"]) == (row.outcome, row.probabilities[1])
    assert {row.id: row for row in desk.logged} == before
    fresh = desk.send()
    desk.worker.step(0)
    assert desk.results[fresh]["version"] == 2


def test_an_answer_from_the_log_is_the_very_same(desk: Desk) -> None:
    sent = desk.send()
    with pytest.raises(SystemExit):
        desk.employed(Dying(desk.streams, "dying", desk.bench.watch)).step(0)
    twin = Desk(desk.bench)  # the same message ids on streams of its own: scored, not remembered
    assert twin.send() == sent
    twin.worker.step(0)
    desk.bench.watch.now += CLAIM_AFTER
    desk.worker.step(0)
    assert desk.entries(Stream.RESULTS) == twin.entries(Stream.RESULTS)


def _contrary(artifact: Path, target: Path) -> Path:
    """The same model with another threshold, so that its answers differ."""
    shutil.copytree(artifact, target)
    output = json.loads((target / "output.json").read_text())
    output["threshold"] = 1.0
    (target / "output.json").write_text(json.dumps(output))
    golden = json.loads((target / "golden.json").read_text())
    for answer in golden["answers"]:
        answer["value"] = float(answer["value"] and max(answer["probabilities"]) == 1.0)
    (target / "golden.json").write_text(json.dumps(golden))
    return target


def test_of_two_workers_the_one_that_logged_first_has_decided(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = desk.send()
    with pytest.raises(SystemExit):
        desk.employed(Dying(desk.streams, "dying", desk.bench.watch)).step(0)
    log = desk.bench.log
    (key,) = log.written
    first = log.written.pop(key)
    write = log.write
    changed = Chunk(
        **{
            **{name: getattr(first, name) for name in Chunk.__slots__},
            "outcomes": np.array([1.0 - np.frombuffer(first.outcomes)[0]]).tobytes(),
        }
    )

    def overtaken(chunks: Sequence[Chunk]) -> None:
        write([changed])
        write(chunks)

    monkeypatch.setattr(log, "write", overtaken)
    desk.bench.watch.now += CLAIM_AFTER
    desk.worker.step(0)
    assert desk.results[sent]["prediction"] == desk.logged[0].outcome == np.frombuffer(changed.outcomes)[0]


def test_who_was_overtaken_does_not_answer(desk: Desk) -> None:
    sent = desk.send()
    slow = desk.broker

    class Interrupted(MemoryBroker):
        def finish(self, model: str, verdicts: Sequence[Verdict]) -> int:
            desk.bench.watch.now += CLAIM_AFTER
            desk.employed(desk.consumer("quick")).step(0)
            return slow.finish(model, verdicts)

    desk.employed(Interrupted(desk.streams, "first", desk.bench.watch)).step(0)
    assert [*desk.results] == [sent]
    assert len(desk.logged) == 1


def test_a_message_that_kills_is_buried_alone(desk: Desk) -> None:
    before, killer, after = desk.send(), desk.send(), desk.send()
    _taken(desk)
    died = 0
    for number in range(20):
        desk.bench.watch.now += CLAIM_AFTER
        broker = desk.consumer(f"worker {number}")
        worker = desk.employed(broker)
        decode = worker._decoded

        def deadly(served: Any, message: Message, decode: Any = decode) -> Any:
            matrix = decode(served, message)
            if message.id == killer:
                raise SystemExit
            return matrix

        worker._decoded = deadly  # type: ignore[method-assign]  # where a native library would die
        try:
            for _ in range(3):
                worker.step(0)
        except SystemExit:
            died += 1
    assert {*desk.results} == {before, after}
    (dead,) = desk.entries(Stream.DEAD)
    assert dead["request"] == killer
    assert "5 workers" in dead["reason"]
    assert died == MAX_DELIVERIES - 1  # the first delivery was read by nobody
    assert desk.broker.backlog(MODEL) == 0


def _failing(error: ServicioError, times: int, then: Any) -> Any:
    left = iter([error] * times)

    def call(*arguments: Any, **options: Any) -> Any:
        failure = next(left, None)
        if failure is not None:
            raise failure
        return then(*arguments, **options)

    return call


@pytest.mark.parametrize(
    ("part", "method", "error"),
    [
        ("log", "write", JournalError("journal", "disk full")),
        ("broker", "finish", BrokerError("redis", "gone")),
        ("broker", "read", BrokerError("redis", "gone")),
        ("broker", "claim", BrokerError("redis", "gone")),
        ("broker", "join", BrokerError("redis", "gone")),
    ],
    ids=["journal", "finish", "read", "claim", "join"],
)
def test_an_outage_loses_nothing_and_logs_nothing_twice(
    desk: Desk, part: str, method: str, error: ServicioError, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [desk.send(), desk.broker.append(MODEL, {"record": "{"}), desk.send()]
    target = desk.bench.log if part == "log" else desk.broker
    monkeypatch.setattr(target, method, _failing(error, 3, getattr(target, method)))
    for _ in range(3):
        with pytest.raises(type(error)):
            desk.worker.step(0)
    assert desk.results == {}
    desk.worker.step(0)
    assert [*desk.results] == [sent[0], sent[2]]
    assert len(desk.entries(Stream.DEAD)) == 1
    assert len(desk.logged) == 2
    outcomes = [
        desk.sample(
            "servicio_ml_predictions_total", model=MODEL, version="1", protocol="stream", outcome=outcome
        )
        for outcome in ("no", "yes")
    ]
    assert sum(filter(None, outcomes)) == 2


def test_a_log_that_is_down_holds_up_what_may_be_in_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = desk.send()
    _taken(desk)
    desk.bench.watch.now += CLAIM_AFTER
    find = desk.bench.log.find
    monkeypatch.setattr(desk.bench.log, "find", _failing(LogError("postgres", "gone"), 1, find))
    with pytest.raises(LogError):
        desk.worker.step(0)
    assert desk.results == {}
    desk.worker.step(0)
    assert [*desk.results] == [sent]


@pytest.mark.timeout(30)
def test_one_outage_is_one_warning_and_the_worker_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("servicio_ml.serving.stream.FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("servicio_ml.serving.stream.WAIT_SECONDS", 0.001)
    sent, stop = desk.send(), threading.Event()
    write = desk.bench.log.write

    def last(chunks: Sequence[Chunk]) -> None:
        write(chunks)
        stop.set()

    monkeypatch.setattr(desk.bench.log, "write", _failing(JournalError("journal", "disk full"), 4, last))
    with caplog.at_level(logging.WARNING, "servicio_ml.serving.stream"):
        desk.worker.run(stop)
    assert [*desk.results] == [sent]
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "disk full" in said[0]
    assert "goes on" in said[1]


@pytest.mark.timeout(30)
def test_a_stop_finishes_what_is_in_hand_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, stop = [desk.send() for _ in range(3)], threading.Event()
    read = desk.broker.read

    def stopped(*arguments: Any, **options: Any) -> Any:
        stop.set()
        return read(*arguments, **options)

    monkeypatch.setattr(desk.broker, "read", stopped)
    desk.worker.run(stop)
    assert [*desk.results] == sent


@pytest.mark.timeout(30)
def test_a_broker_that_lost_its_groups_is_joined_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servicio_ml.serving.stream.FIRST_PAUSE_SECONDS", 0.001)
    desk.worker.step(0)
    desk.streams.groups.clear()
    sent, stop = desk.send(), threading.Event()
    finish = desk.broker.finish

    def last(model: str, verdicts: Sequence[Verdict]) -> int:
        stop.set()
        return finish(model, verdicts)

    monkeypatch.setattr(desk.broker, "finish", last)
    desk.worker.run(stop)
    assert [*desk.results] == [sent]


def test_a_version_that_is_gone_buries_what_it_answered(
    desk: Desk, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = desk.send()
    with pytest.raises(SystemExit):
        desk.employed(Dying(desk.streams, "dying", desk.bench.watch)).step(0)
    desk.bench.promote(artifact_folder)
    versions = desk.bench.registry.versions
    monkeypatch.setattr(desk.bench.registry, "versions", lambda model: versions(model)[:1])
    desk.bench.watch.now += CLAIM_AFTER
    desk.worker.step(0)
    (dead,) = desk.entries(Stream.DEAD)
    assert dead["request"] == sent
    assert "version or alias '1'" in dead["reason"]


def test_a_version_that_is_not_known_yet_is_looked_up(desk: Desk, artifact_folder: Path) -> None:
    sent = desk.send()
    desk.bench.registry.register(MODEL, artifact_folder, run_id="run", tags={})
    with pytest.raises(SystemExit):
        desk.employed(Dying(desk.streams, "dying", desk.bench.watch)).step(0)
    (key,) = desk.bench.log.written
    first = desk.bench.log.written[key]
    desk.bench.log.written[key] = Chunk(
        **{**{name: getattr(first, name) for name in Chunk.__slots__}, "version": 2}
    )
    desk.bench.watch.now += CLAIM_AFTER
    desk.worker.step(0)
    assert desk.results[sent]["version"] == 2


def test_rows_that_are_not_sampled_are_answered_too(tmp_path: Path, artifact_folder: Path) -> None:
    desk = Desk(bench(tmp_path, artifact_folder, policy=LogPolicy(sampling=0.0)))
    sent = [desk.send(), desk.send()]
    desk.worker.step(0)
    late = desk.send()
    _taken(desk)
    desk.bench.watch.now += CLAIM_AFTER
    desk.worker.step(0)
    assert [*desk.results] == [*sent, late]
    assert desk.logged == []


def test_without_a_champion_nothing_is_read(tmp_path: Path) -> None:
    desk = Desk(bench(tmp_path, None))
    desk.send()
    assert not desk.worker.step(0)
    assert desk.broker.backlog(MODEL) == 1


def test_the_backlog_is_a_metric(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = CollectorRegistry()
    registry.register(Backlog(desk.broker, desk.bench.service.models))
    for _ in range(3):
        desk.send()
    assert registry.get_sample_value("servicio_ml_stream_lag", {"model": MODEL}) == 3
    desk.worker.step(0)
    assert registry.get_sample_value("servicio_ml_stream_lag", {"model": MODEL}) == 0
    monkeypatch.setattr(desk.broker, "backlog", _failing(BrokerError("redis", "gone"), 1, None))
    assert registry.get_sample_value("servicio_ml_stream_lag", {"model": MODEL}) is None
