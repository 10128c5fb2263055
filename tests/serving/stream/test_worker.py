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

from fakes.broker import MemoryBroker, MemoryStreams
from prediction_chunks import list_predictions
from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import Chunk, Interface, LoggedPrediction
from servicio_ml.domain.stream import StreamKind, StreamMessage, StreamOutcome, build_stream_name
from servicio_ml.errors import BrokerError, JournalError, LogError, ServicioError
from servicio_ml.serving.prediction.recorder import LogPolicy
from servicio_ml.serving.stream.lag import StreamLagCollector
from servicio_ml.serving.stream.scorer import MAX_DELIVERIES
from servicio_ml.serving.stream.worker import BATCH_ROWS, StreamWorker

MODEL = "small"
RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
CLAIM_AFTER = 30.0


class StreamFixture:
    """Service with a worker on streams in memory."""

    def __init__(self, made: ServiceFixture) -> None:
        self.bench, self.streams = made, MemoryStreams()
        self.broker = self.create_consumer("first")
        self.worker = self.create_worker(self.broker)

    def create_consumer(self, name: str) -> MemoryBroker:
        return MemoryBroker(self.streams, name, self.bench.clock)

    def create_worker(self, broker: MemoryBroker) -> StreamWorker:
        return StreamWorker(self.bench.service, broker, claim_after_seconds=CLAIM_AFTER)

    def send(self, **changes: Any) -> str:
        return self.broker.append(MODEL, {"record": json.dumps({**RECORD, **changes}), "key": "k"})

    def read_entries(self, stream: StreamKind) -> list[Mapping[str, str]]:
        return self.streams.entries.get(build_stream_name(MODEL, stream), [])

    @property
    def results(self) -> dict[str, Any]:
        """Results by message id; each message has one."""
        found = self.read_entries(StreamKind.RESULTS)
        answers = {entry["request"]: json.loads(entry["answer"]) for entry in found}
        assert len(answers) == len(found)
        return answers

    @property
    def logged(self) -> list[LoggedPrediction]:
        return [row for chunk in self.bench.log.written_chunks.values() for row in list_predictions(chunk)]

    def read_sample(self, name: str, **labels: str) -> float | None:
        return self.bench.metrics.get_sample_value(name, labels)


@pytest.fixture
def stream(tmp_path: Path, artifact_folder: Path) -> StreamFixture:
    return StreamFixture(create_service(tmp_path, artifact_folder))


def test_a_result_is_that_of_the_predictor_and_is_logged(stream: StreamFixture) -> None:
    sent = [stream.send(weight=weight) for weight in (-3.0, 0.0, 3.0)]
    stream.worker.step(0)
    loaded_model = stream.bench.service.models.get_champion(MODEL)
    bodies = [json.dumps({**RECORD, "weight": weight}).encode() for weight in (-3.0, 0.0, 3.0)]
    matrix = np.concatenate([loaded_model.decoder.decode_record(body).matrix for body in bodies])
    expected = stream.bench.service.predictor.score_sync(loaded_model, matrix, Interface.REST).to_documents()
    assert [*stream.results] == sent
    for answer, document in zip(stream.results.values(), expected, strict=True):
        assert {**answer, "prediction_id": ""} == {**document, "prediction_id": ""}
    rows = {row.id: row for row in stream.logged}
    assert len({answer["prediction_id"] for answer in stream.results.values()}) == 3
    for answer in stream.results.values():
        assert rows[answer["prediction_id"]].outcome == answer["prediction"]
    assert {entry["key"] for entry in stream.read_entries(StreamKind.RESULTS)} == {"k"}
    assert stream.broker.count_backlog(MODEL) == 0


def test_an_alias_or_version_of_a_request_scores_it(stream: StreamFixture, artifact_folder: Path) -> None:
    stream.bench.promote(artifact_folder, "knn")
    sent = [
        stream.broker.append(MODEL, {"record": json.dumps(RECORD), **fields})
        for fields in ({}, {"version": "knn"}, {"version": "1"}, {"version": ""}, {"version": "2"})
    ]
    stream.worker.step(0)
    assert [stream.results[each]["version"] for each in sent] == [1, 2, 1, 1, 2]
    assert sorted(row.version for row in stream.logged) == [1, 1, 1, 2, 2]


def test_an_unknown_alias_makes_a_dead_letter(stream: StreamFixture) -> None:
    stream.broker.append(MODEL, {"record": json.dumps(RECORD), "version": "nobody"})
    good = stream.send()
    stream.worker.step(0)
    [letter] = stream.read_entries(StreamKind.DEAD)
    assert "'nobody'" in letter["reason"]
    assert [*stream.results] == [good]


def test_each_batch_is_a_line_of_the_log(stream: StreamFixture, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="servicio_ml.serving.stream"):
        for _ in range(3):
            stream.send()
        stream.broker.append(MODEL, {"record": "{"})
        stream.worker.step(0)
        stream.worker.step(0)
    assert caplog.messages == ["small: 4 requests, 3 results, 1 dead letters"]


def test_the_metrics_count_the_rows_under_the_protocol_stream(stream: StreamFixture) -> None:
    for _ in range(5):
        stream.send()
    stream.worker.step(0)
    outcomes = [
        stream.read_sample(
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
        ({"record": json.dumps({"size": 1.0})}, "'day': null", "day", "missing"),
        ({"record": '{"\\xff": 1}'}, "body", "", "type"),
        ({"Record": "{}"}, "field 'record': null", "", "missing"),
    ],
    ids=["cut off", "no object", "nan", "range", "level", "unknown", "missing", "no text", "no record"],
)
def test_an_invalid_message_becomes_a_dead_letter_with_its_reason(
    stream: StreamFixture, fields: dict[str, str], said: str, feature: str, reason: str
) -> None:
    before, poison, after = stream.send(), stream.broker.append(MODEL, fields), stream.send()
    stream.worker.step(0)
    assert [*stream.results] == [before, after]
    (dead,) = stream.read_entries(StreamKind.DEAD)
    assert dead["request"] == poison
    assert said in dead["reason"]
    assert json.loads(dead["fields"]) == fields
    rejected = stream.read_sample(
        "servicio_ml_rejected_values_total", model=MODEL, feature=feature, reason=reason
    )
    assert rejected is not None
    assert stream.broker.count_backlog(MODEL) == 0
    assert len(stream.logged) == 2


def test_a_batch_is_one_write_of_the_journal(stream: StreamFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = stream.bench.log.write

    def count_chunks(chunks: Sequence[Chunk]) -> None:
        sizes.append(len(chunks))
        write(chunks)

    monkeypatch.setattr(stream.bench.log, "write", count_chunks)
    for _ in range(BATCH_ROWS + 4):
        stream.send()
    stream.worker.step(0)
    stream.worker.step(0)
    assert sizes == [BATCH_ROWS, 4]
    assert len(stream.results) == BATCH_ROWS + 4


def _take_message(stream: StreamFixture) -> MemoryBroker:
    """Read the waiting messages with a second consumer, which does nothing with them."""
    other = stream.create_consumer("second")
    other.join(MODEL)
    other.read([MODEL], rows=BATCH_ROWS, wait_seconds=0)
    return other


def test_messages_of_a_dead_worker_are_claimed_one_by_one(stream: StreamFixture) -> None:
    sent = [stream.send(weight=float(weight)) for weight in range(3)]
    _take_message(stream)
    stream.worker.step(0)
    assert stream.results == {}
    stream.bench.clock.now += CLAIM_AFTER
    fresh = stream.send()
    stream.worker.step(0)
    assert [*stream.results] == [sent[0], fresh]  # old ones one by one, new ones beside them
    for _ in sent[1:]:
        stream.worker.step(0)
    assert [*stream.results] == [sent[0], fresh, *sent[1:]]
    assert len(stream.logged) == 4


def test_it_waits_for_requests_unless_it_has_claimed_some(
    stream: StreamFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, read = [], stream.broker.read

    def note_wait(models: Sequence[str], *, rows: int, wait_seconds: float) -> Any:
        waits.append(wait_seconds)
        return read(models, rows=rows, wait_seconds=wait_seconds)

    monkeypatch.setattr(stream.broker, "read", note_wait)
    stream.send()
    _take_message(stream)
    stream.worker.step(0.7)
    stream.bench.clock.now += CLAIM_AFTER
    stream.worker.step(0.7)
    assert waits == [0.7, 0]


class DyingBroker(MemoryBroker):
    """Consumer that dies before it finishes anything."""

    def finish(self, model: str, outcomes: Sequence[StreamOutcome]) -> int:  # noqa: ARG002  it does not come to that
        raise SystemExit


def test_a_message_logged_before_a_death_gets_its_logged_result(
    stream: StreamFixture, artifact_folder: Path, tmp_path: Path
) -> None:
    sent = [stream.send(weight=weight) for weight in (-3.0, 0.0, 3.0)]
    with pytest.raises(SystemExit):
        stream.create_worker(DyingBroker(stream.streams, "dying", stream.bench.clock)).step(0)
    before = {row.id: row for row in stream.logged}
    assert len(before) == 3
    stream.bench.promote(_export_contrary_model(artifact_folder, tmp_path / "contrary"))
    stream.bench.clock.now += CLAIM_AFTER
    for _ in sent:
        stream.worker.step(0)
    assert [*stream.results] == sent
    assert {answer["version"] for answer in stream.results.values()} == {1}
    for answer in stream.results.values():
        row = before[answer["prediction_id"]]
        assert (answer["prediction"], answer["probability"]) == (row.outcome, row.probabilities[1])
    assert {row.id: row for row in stream.logged} == before
    fresh = stream.send()
    stream.worker.step(0)
    assert stream.results[fresh]["version"] == 2


def test_a_result_from_the_log_equals_the_scored_one(stream: StreamFixture) -> None:
    sent = stream.send()
    with pytest.raises(SystemExit):
        stream.create_worker(DyingBroker(stream.streams, "dying", stream.bench.clock)).step(0)
    other = StreamFixture(
        stream.bench
    )  # the same message ids on its own streams: scored, not read from the log
    assert other.send() == sent
    other.worker.step(0)
    stream.bench.clock.now += CLAIM_AFTER
    stream.worker.step(0)
    assert stream.read_entries(StreamKind.RESULTS) == other.read_entries(StreamKind.RESULTS)


def _export_contrary_model(artifact: Path, target: Path) -> Path:
    """Export the model with another threshold, so that its results differ."""
    shutil.copytree(artifact, target)
    output = json.loads((target / "output.json").read_text())
    output["threshold"] = 1.0
    (target / "output.json").write_text(json.dumps(output))
    golden = json.loads((target / "golden.json").read_text())
    for answer in golden["answers"]:
        answer["value"] = float(answer["value"] and max(answer["probabilities"]) == 1.0)
    (target / "golden.json").write_text(json.dumps(golden))
    return target


def test_of_two_workers_the_first_in_the_log_decides(
    stream: StreamFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = stream.send()
    with pytest.raises(SystemExit):
        stream.create_worker(DyingBroker(stream.streams, "dying", stream.bench.clock)).step(0)
    log = stream.bench.log
    (key,) = log.written_chunks
    first = log.written_chunks.pop(key)
    write = log.write
    changed = Chunk(
        **{
            **{name: getattr(first, name) for name in Chunk.__slots__},
            "outcomes": np.array([1.0 - np.frombuffer(first.outcomes)[0]]).tobytes(),
        }
    )

    def write_after_other(chunks: Sequence[Chunk]) -> None:
        write([changed])
        write(chunks)

    monkeypatch.setattr(log, "write", write_after_other)
    stream.bench.clock.now += CLAIM_AFTER
    stream.worker.step(0)
    assert (
        stream.results[sent]["prediction"] == stream.logged[0].outcome == np.frombuffer(changed.outcomes)[0]
    )


def test_a_worker_that_was_overtaken_gives_no_result(stream: StreamFixture) -> None:
    sent = stream.send()
    slow = stream.broker

    class Interrupted(MemoryBroker):
        def finish(self, model: str, outcomes: Sequence[StreamOutcome]) -> int:
            stream.bench.clock.now += CLAIM_AFTER
            stream.create_worker(stream.create_consumer("quick")).step(0)
            return slow.finish(model, outcomes)

    stream.create_worker(Interrupted(stream.streams, "first", stream.bench.clock)).step(0)
    assert [*stream.results] == [sent]
    assert len(stream.logged) == 1


def test_a_message_that_kills_its_workers_becomes_the_only_dead_letter(stream: StreamFixture) -> None:
    before, killer, after = stream.send(), stream.send(), stream.send()
    _take_message(stream)
    died = 0
    for number in range(20):
        stream.bench.clock.now += CLAIM_AFTER
        broker = stream.create_consumer(f"worker {number}")
        worker = stream.create_worker(broker)
        decode = worker._scorer._decode

        def decode_deadly(loaded_model: Any, message: StreamMessage, decode: Any = decode) -> Any:
            matrix = decode(loaded_model, message)
            if message.id == killer:
                raise SystemExit
            return matrix

        worker._scorer._decode = decode_deadly  # type: ignore[method-assign]  # where a native library would die
        try:
            for _ in range(3):
                worker.step(0)
        except SystemExit:
            died += 1
    assert {*stream.results} == {before, after}
    (dead,) = stream.read_entries(StreamKind.DEAD)
    assert dead["request"] == killer
    assert "5 workers" in dead["reason"]
    assert died == MAX_DELIVERIES - 1  # the first delivery was read by nobody
    assert stream.broker.count_backlog(MODEL) == 0


def _fail_first(error: ServicioError, times: int, then: Any) -> Any:
    left = iter([error] * times)

    def call(*arguments: Any, **options: Any) -> Any:
        failure = next(left, None)
        if failure is not None:
            raise failure
        return then(*arguments, **options)

    return call


@pytest.mark.parametrize(
    ("component", "method", "error"),
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
    stream: StreamFixture, component: str, method: str, error: ServicioError, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [stream.send(), stream.broker.append(MODEL, {"record": "{"}), stream.send()]
    target = stream.bench.log if component == "log" else stream.broker
    monkeypatch.setattr(target, method, _fail_first(error, 3, getattr(target, method)))
    for _ in range(3):
        with pytest.raises(type(error)):
            stream.worker.step(0)
    assert stream.results == {}
    stream.worker.step(0)
    assert [*stream.results] == [sent[0], sent[2]]
    assert len(stream.read_entries(StreamKind.DEAD)) == 1
    assert len(stream.logged) == 2
    outcomes = [
        stream.read_sample(
            "servicio_ml_predictions_total", model=MODEL, version="1", protocol="stream", outcome=outcome
        )
        for outcome in ("no", "yes")
    ]
    assert sum(filter(None, outcomes)) == 2


def test_redelivered_messages_wait_for_a_log_that_is_down(
    stream: StreamFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = stream.send()
    _take_message(stream)
    stream.bench.clock.now += CLAIM_AFTER
    find = stream.bench.log.find
    monkeypatch.setattr(stream.bench.log, "find", _fail_first(LogError("postgres", "gone"), 1, find))
    with pytest.raises(LogError):
        stream.worker.step(0)
    assert stream.results == {}
    stream.worker.step(0)
    assert [*stream.results] == [sent]


@pytest.mark.timeout(30)
def test_one_outage_is_one_warning_and_the_worker_continues(
    stream: StreamFixture, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("servicio_ml.serving.stream.worker.MIN_RETRY_SECONDS", 0.001)
    monkeypatch.setattr("servicio_ml.serving.stream.worker.READ_TIMEOUT_SECONDS", 0.001)
    sent, stop = stream.send(), threading.Event()
    write = stream.bench.log.write

    def write_and_stop(chunks: Sequence[Chunk]) -> None:
        write(chunks)
        stop.set()

    monkeypatch.setattr(
        stream.bench.log, "write", _fail_first(JournalError("journal", "disk full"), 4, write_and_stop)
    )
    with caplog.at_level(logging.WARNING, "servicio_ml.serving.stream"):
        stream.worker.run(stop)
    assert [*stream.results] == [sent]
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "disk full" in said[0]
    assert "continues" in said[1]


@pytest.mark.timeout(30)
def test_a_stop_finishes_the_claimed_batches_first(
    stream: StreamFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, stop = [stream.send() for _ in range(3)], threading.Event()
    read = stream.broker.read

    def stop_and_read(*arguments: Any, **options: Any) -> Any:
        stop.set()
        return read(*arguments, **options)

    monkeypatch.setattr(stream.broker, "read", stop_and_read)
    stream.worker.run(stop)
    assert [*stream.results] == sent


@pytest.mark.timeout(30)
def test_a_broker_that_lost_its_groups_is_joined_again(
    stream: StreamFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servicio_ml.serving.stream.worker.MIN_RETRY_SECONDS", 0.001)
    stream.worker.step(0)
    stream.streams.groups.clear()
    sent, stop = stream.send(), threading.Event()
    finish = stream.broker.finish

    def finish_and_stop(model: str, outcomes: Sequence[StreamOutcome]) -> int:
        stop.set()
        return finish(model, outcomes)

    monkeypatch.setattr(stream.broker, "finish", finish_and_stop)
    stream.worker.run(stop)
    assert [*stream.results] == [sent]


def test_a_version_that_is_gone_buries_what_it_answered(
    stream: StreamFixture, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = stream.send()
    with pytest.raises(SystemExit):
        stream.create_worker(DyingBroker(stream.streams, "dying", stream.bench.clock)).step(0)
    stream.bench.promote(artifact_folder)
    versions = stream.bench.registry.list_versions
    monkeypatch.setattr(stream.bench.registry, "list_versions", lambda model: versions(model)[:1])
    stream.bench.clock.now += CLAIM_AFTER
    stream.worker.step(0)
    (dead,) = stream.read_entries(StreamKind.DEAD)
    assert dead["request"] == sent
    assert "version or alias '1'" in dead["reason"]


def test_a_version_that_is_not_known_yet_is_looked_up(stream: StreamFixture, artifact_folder: Path) -> None:
    sent = stream.send()
    stream.bench.registry.register(MODEL, artifact_folder, run_id="run", tags={})
    with pytest.raises(SystemExit):
        stream.create_worker(DyingBroker(stream.streams, "dying", stream.bench.clock)).step(0)
    (key,) = stream.bench.log.written_chunks
    first = stream.bench.log.written_chunks[key]
    stream.bench.log.written_chunks[key] = Chunk(
        **{**{name: getattr(first, name) for name in Chunk.__slots__}, "version": 2}
    )
    stream.bench.clock.now += CLAIM_AFTER
    stream.worker.step(0)
    assert stream.results[sent]["version"] == 2


def test_rows_that_are_not_sampled_are_answered_too(tmp_path: Path, artifact_folder: Path) -> None:
    stream = StreamFixture(create_service(tmp_path, artifact_folder, policy=LogPolicy(sampling=0.0)))
    sent = [stream.send(), stream.send()]
    stream.worker.step(0)
    late = stream.send()
    _take_message(stream)
    stream.bench.clock.now += CLAIM_AFTER
    stream.worker.step(0)
    assert [*stream.results] == [*sent, late]
    assert stream.logged == []


def test_without_a_champion_nothing_is_read(tmp_path: Path) -> None:
    stream = StreamFixture(create_service(tmp_path, None))
    stream.send()
    assert not stream.worker.step(0)
    assert stream.broker.count_backlog(MODEL) == 1


def test_the_backlog_is_a_metric(stream: StreamFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = CollectorRegistry()
    registry.register(StreamLagCollector(stream.broker, stream.bench.service.models))
    for _ in range(3):
        stream.send()
    assert registry.get_sample_value("servicio_ml_stream_lag", {"model": MODEL}) == 3
    stream.worker.step(0)
    assert registry.get_sample_value("servicio_ml_stream_lag", {"model": MODEL}) == 0
    monkeypatch.setattr(stream.broker, "count_backlog", _fail_first(BrokerError("redis", "gone"), 1, None))
    assert registry.get_sample_value("servicio_ml_stream_lag", {"model": MODEL}) is None
