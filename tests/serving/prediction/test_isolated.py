"""An isolated model behind the predictor: whatever it does, the answer is clear and others are unharmed."""

import asyncio
import gc
import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asgi import AsgiResponse, ask
from fakes.traffic_plans import MemoryTrafficPlans
from hostile_estimator import ACT, NUMBER, OK
from isolated_models import wait_until_ended, write_hostile_artifact
from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import Interface, Purpose
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
from servicio_ml.errors import ModelWorkerError, WorkerFailure
from servicio_ml.features.isolated import scorer
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.models.isolated import scoring_queue
from servicio_ml.serving.models.model_status import ChallengerTraffic
from servicio_ml.serving.rest import explain, what_if
from servicio_ml.serving.rest.models import build_model_routes

pytestmark = pytest.mark.slow
HOSTILE, OTHER = "hostile", "small"
JSON_TYPE = {"content-type": "application/json"}
WAIT_SECONDS, ROUNDS = 0.02, 3000
OTHER_RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hostile_artifact(tmp_path_factory.mktemp("hostile") / "model", name=HOSTILE)


@pytest.fixture
def made(
    tmp_path: Path, artifact_folder: Path, hostile_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> ServiceFixture:
    """The hostile model beside one in ONNX."""
    # long enough for any answer, short enough to wait for a hanging one
    monkeypatch.setattr(scorer, "BASE_SECONDS", 3.0)
    found = create_service(tmp_path, artifact_folder)
    found.registry.register(HOSTILE, hostile_folder, run_id="run", tags={})
    found.registry.set_alias(HOSTILE, CHAMPION, 1)
    found.service.models.refresh()
    return found


class _Client:
    """Client of the application in one event loop."""

    def __init__(self, made: ServiceFixture) -> None:
        service = made.service
        routers = [
            build_model_routes(
                service, made.registry.set_model_tag, lambda: None, dict, MemoryTrafficPlans()
            ),
            explain.build_routes(service),
            what_if.build_routes(service),
        ]
        bits = random.Random(3).getrandbits  # noqa: S311  ids, no secrets
        self.made = made
        self.gateway = Gateway(build_app(service, routers), service, AccessLog(io.BytesIO()), bits)

    async def post(self, path: str, body: object) -> AsgiResponse:
        return await ask(self.gateway, "POST", path, "", json.dumps(body).encode(), JSON_TYPE)

    async def predict(self, act: str, number: float = 0.25) -> AsgiResponse:
        return await self.post(f"/models/{HOSTILE}/predict", {ACT: act, NUMBER: number})

    async def predict_other(self) -> AsgiResponse:
        return await self.post(f"/models/{OTHER}/predict", OTHER_RECORD)

    async def wait_until_ready(self) -> None:
        for _ in range(ROUNDS):
            if (await self.predict(OK)).status == 200:
                return
            await asyncio.sleep(WAIT_SECONDS)
        pytest.fail("the process did not start again")

    def count(self, name: str, **labels: str) -> float | None:
        return self.made.metrics.get_sample_value(name, {"model": HOSTILE, "version": "1", **labels})

    def count_logged_rows(self, purpose: Purpose = Purpose.ANSWER) -> int:
        chunks = self.made.log.written_chunks.values()
        return sum(chunk.rows for chunk in chunks if chunk.model == HOSTILE and chunk.purpose is purpose)


@pytest.fixture
def client(made: ServiceFixture) -> _Client:
    return _Client(made)


def test_it_answers_and_is_marked(client: _Client) -> None:
    async def ask_all() -> tuple[AsgiResponse, Any]:
        listed = await ask(client.gateway, "GET", "/models", "", b"", {})
        return await client.predict(OK), listed.document

    answer, listed = asyncio.run(ask_all())
    found = answer.document
    assert (answer.status, found["prediction"], found["probability"]) == (200, 0, 0.25)
    marks = {each["model"]: (each["runtime"], each["row_seconds"]) for each in listed}
    assert marks == {HOSTILE: ("isolated_process", 0.001), OTHER: ("onnx", None)}
    assert client.count("servicio_ml_model_worker_up") == 1
    assert client.count_logged_rows() == 1


@pytest.mark.parametrize(
    ("act", "status", "reason", "detail"),
    [
        ("raise", 500, "error", r"the model raised ValueError: line\nbreak"),
        ("wrong shape", 500, "scores", "its scores have the shape"),
        ("exit", 503, "exit", "it has ended with the exit code 3"),
        ("crash", 503, "exit", "it was ended by SIGSEGV"),
        ("allocate", 503, "memory", "its model has used up the memory limit"),
        ("hang", 503, "timeout", "it has not answered within its time limit"),
        ("fork", 500, "error", "PermissionError"),
        ("open a socket", 500, "error", "PermissionError"),
    ],
)
def test_a_failure_is_a_problem_document_and_counted(
    client: _Client, act: str, status: int, reason: str, detail: str
) -> None:
    async def ask_twice() -> AsgiResponse:
        answer = await client.predict(act)
        await client.wait_until_ready()
        return answer

    answer = asyncio.run(ask_twice())
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert detail in answer.document["detail"]
    assert answer.headers.get("retry-after") == ("1" if status == 503 else None)
    assert client.count("servicio_ml_model_worker_failures_total", reason=reason) == 1
    assert client.count("servicio_ml_model_worker_restarts_total") == (status == 503)
    assert client.count("servicio_ml_model_worker_up") == 1
    # what was not answered is not in the log
    assert client.count_logged_rows() == 1


def test_while_it_hangs_the_others_answer(client: _Client) -> None:
    async def ask_beside() -> tuple[int, list[int], bool]:
        hanging = asyncio.create_task(client.predict("hang"))
        await asyncio.sleep(0)
        large = client.post(f"/models/{OTHER}/predict/batch", {"records": [OTHER_RECORD] * 500})
        others = [await client.predict_other() for _ in range(20)] + [await large]
        explained = await client.post(f"/models/{OTHER}/explain", OTHER_RECORD)
        before = not hanging.done()
        return (await hanging).status, [each.status for each in (*others, explained)], before

    status, others, before = asyncio.run(ask_beside())
    assert (status, set(others), before) == (503, {200}, True)


def test_a_failing_row_leaves_the_others_of_its_call(client: _Client) -> None:
    async def ask_together() -> list[AsgiResponse]:
        # the first keeps the thread busy, so that the others share a call
        acts = ["print much", OK, OK, "raise", OK, OK]
        return await asyncio.gather(*(client.predict(act, i / 10) for i, act in enumerate(acts)))

    answers = asyncio.run(ask_together())
    assert [each.status for each in answers] == [200, 200, 200, 500, 200, 200]
    given = [each.document["probability"] for each in answers if each.status == 200]
    np.testing.assert_allclose(given, [0, 0.1, 0.2, 0.4, 0.5], atol=1e-6)
    assert client.count_logged_rows() == 5


def test_a_batch_with_a_failing_row_is_refused(client: _Client) -> None:
    records = [{ACT: "raise", NUMBER: 0}, *({ACT: OK, NUMBER: 0} for _ in range(99))]
    answer = asyncio.run(client.post(f"/models/{HOSTILE}/predict/batch", {"records": records}))
    assert answer.status == 500
    assert client.count_logged_rows() == 0


def test_a_full_queue_refuses(
    made: ServiceFixture, hostile_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring_queue, "MAX_WAITING", 2)
    version = made.registry.register(HOSTILE, hostile_folder, run_id="run", tags={}).version
    made.registry.set_alias(HOSTILE, CHAMPION, version)
    made.service.models.refresh()
    client = _Client(made)

    async def ask_many() -> list[AsgiResponse]:
        return await asyncio.gather(client.predict("hang"), *(client.predict(OK) for _ in range(4)))

    answers = asyncio.run(ask_many())
    refused = [each for each in answers if "2 requests are waiting for it" in each.document.get("detail", "")]
    assert {each.status for each in refused} == {503}
    assert len(refused) == 3
    assert client.count("servicio_ml_model_worker_failures_total", version="2", reason="busy") == 3


def test_it_is_explained_and_varied_like_any_other(client: _Client) -> None:
    record = {ACT: OK, NUMBER: 0.25}

    async def ask_both() -> tuple[AsgiResponse, AsgiResponse]:
        question = {"record": record, "field": NUMBER, "values": [0, 0.5, 1]}
        return (
            await client.post(f"/models/{HOSTILE}/explain", record),
            await client.post(f"/models/{HOSTILE}/what-if", question),
        )

    explained, varied = asyncio.run(ask_both())
    found = explained.document
    assert found["contributions"][NUMBER] == pytest.approx(found["score"] - found["base"], abs=1e-6)
    assert varied.status == 200, varied.document
    assert varied.document["scores"] == pytest.approx([0, 0.5, 1])
    assert client.count_logged_rows() == 0


def test_a_replaced_version_ends_its_process(made: ServiceFixture, artifact_folder: Path) -> None:
    found = made.service.models.get_champion(HOSTILE).artifact.scorer
    assert isinstance(found, scorer.IsolatedScorer)
    process = found.process_id
    assert process is not None
    del found
    version = made.registry.register(HOSTILE, artifact_folder, run_id="run", tags={}).version
    made.registry.set_alias(HOSTILE, CHAMPION, version)
    made.service.models.refresh()
    gc.collect()
    assert made.service.models.get_champion(HOSTILE).version == 2
    wait_until_ended(process)


def test_a_challenger_in_shadow_scores_beside_the_champion(
    tmp_path: Path, artifact_folder: Path, isolated_folder: Path
) -> None:
    made = create_service(tmp_path, artifact_folder, traffic=ChallengerTraffic(shadow=1.0))
    made.promote(isolated_folder, CHALLENGER)
    champion = made.service.models.get_champion(OTHER)
    matrix = champion.artifact.encoder.encode_records([OTHER_RECORD] * 3)
    made.service.predictor.score_sync(champion, matrix, Interface.REST)
    scored = made.service.models.statuses[OTHER].challenger
    assert scored is not None
    assert isinstance(scored.artifact.scorer, scorer.IsolatedScorer)
    process = scored.artifact.scorer.process_id
    assert process is not None
    made.service.predictor.close()
    wait_until_ended(process)
    assert {(each.version, each.purpose): each.rows for each in made.log.written_chunks.values()} == {
        (1, Purpose.ANSWER): 3,
        (2, Purpose.SHADOW): 3,
    }


def test_a_queue_that_was_closed_has_finished_its_work() -> None:
    failures: list[WorkerFailure] = []
    queue = scoring_queue.ScoringQueue("m", failures.append)
    collected: list[list[int]] = []
    for item in range(3):
        queue.collect("key", item, lambda items: collected.append([*items]))
    future = queue.submit(lambda: 7)
    queue.close()
    assert (future.result(), sorted(each for items in collected for each in items)) == (7, [0, 1, 2])
    assert failures == []


def test_a_queue_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_queue, "MAX_WAITING", 0)
    failures: list[WorkerFailure] = []
    queue = scoring_queue.ScoringQueue("m", failures.append)
    with pytest.raises(ModelWorkerError, match=r"'m'.*0 requests are waiting"):
        queue.submit(lambda: None)
    assert failures == [WorkerFailure.BUSY]
    queue.close()
