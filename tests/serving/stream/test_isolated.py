"""The stream of an isolated model: a message that it fails on, or ends by, becomes a dead letter."""

import json
import threading
from pathlib import Path

import pytest

from fakes.broker import MemoryBroker, MemoryStreams
from hostile_estimator import ACT, NUMBER, OK
from isolated_models import write_hostile_artifact
from services import ServiceFixture, create_service
from servicio_ml.domain.stream import StreamKind, build_stream_name
from servicio_ml.errors import ServicioError
from servicio_ml.serving.stream.worker import StreamWorker

pytestmark = pytest.mark.slow
MODEL = "small"
WAIT_SECONDS, STEPS = 0.02, 3000


@pytest.fixture
def made(tmp_path: Path) -> ServiceFixture:
    return create_service(tmp_path, write_hostile_artifact(tmp_path / "model"))


@pytest.mark.parametrize(
    ("act", "reason"),
    [("raise", "the model raised ValueError"), ("exit", "it has ended with the exit code 3")],
)
def test_a_message_that_it_fails_on_becomes_a_dead_letter(
    made: ServiceFixture, act: str, reason: str
) -> None:
    streams = MemoryStreams()
    broker = MemoryBroker(streams, "first", made.clock)
    worker = StreamWorker(made.service, broker)
    sent = [
        broker.append(MODEL, {"record": json.dumps({ACT: each, NUMBER: 0.25})}) for each in (OK, act, OK, OK)
    ]
    for _ in range(STEPS):
        try:
            worker.step(0)
            break
        except ServicioError:
            # as `run` waits while a service is down: the process starts again
            threading.Event().wait(WAIT_SECONDS)
    results = streams.entries[build_stream_name(MODEL, StreamKind.RESULTS)]
    assert sorted(entry["request"] for entry in results) == sorted([sent[0], *sent[2:]])
    [dead] = streams.entries[build_stream_name(MODEL, StreamKind.DEAD)]
    assert (dead["request"], reason in dead["reason"]) == (sent[1], True)
    assert broker.count_backlog(MODEL) == 0

    assert sum(chunk.rows for chunk in made.log.written_chunks.values()) == 3
