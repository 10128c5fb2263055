"""The routes of experiments: who may, what is refused, what they show and export."""

import csv
import json
import random
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from alert_hook import KEYS
from asgi import AsgiResponse, call
from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import GroundTruth, Interface
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.lifecycle.rollout.actions import begin_rollout
from servicio_ml.serving.app import build_app
from servicio_ml.serving.experiments.routes import ExperimentActions, build_routes
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.http.access_log import AccessLog

EXPERIMENT, EXPERIMENTS = "/models/small/experiment", "/models/small/experiments"
ASSIGNMENTS = f"{EXPERIMENT}/assignments"
LEAD_SECONDS = 30.0
RIGHT = {"shares": {"2": 0.25, "challenger": 0.25}, "metric": "error", "minimum_effect": 0.01}
PARQUET = "application/vnd.apache.parquet"


class ExperimentApi:
    """Routes of experiments behind a gateway with keys; versions 2 and 3 are there, 3 is the challenger."""

    def __init__(self, folder: Path, artifact_folder: Path) -> None:
        self.made: ServiceFixture = create_service(folder, artifact_folder, keys=KEYS)
        for _ in range(2):
            self.made.promote(artifact_folder, CHALLENGER)
        self.plans, self.announced = self.made.plans, list[float]()
        service, clock = self.made.service, self.made.clock
        actions = ExperimentActions(
            service=service, plans=self.plans, announce=lambda: self.announced.append(clock()), clock=clock,
            lead_seconds=LEAD_SECONDS,
        )  # fmt: skip
        bits = random.Random(3).getrandbits  # noqa: S311  ids, no secrets
        app = build_app(service, [build_routes(actions)])
        self.gateway = Gateway(app, service, AccessLog(BytesIO()), bits)

    def __call__(
        self, method: str, path: str, sent: object = None, key: str = "boss-key", accept: str = "*/*"
    ) -> AsgiResponse:
        raw = b"" if sent is None else json.dumps(sent).encode()
        headers = {"Content-Type": "application/json", "X-API-Key": key, "Accept": accept}
        path, _, query = path.partition("?")
        return call(self.gateway, method, path, query, raw, headers)

    def start(self, **changed: Any) -> Any:
        answer = self("POST", EXPERIMENT, {**RIGHT, **changed})
        assert answer.status == 200, answer.body
        return answer.document

    def answer_clients(self, number: int) -> list[str]:
        """Answer clients of different keys, and return the ids."""
        predictor = self.made.service.predictor
        self.made.service.models.refresh()
        record = json.dumps(
            self.made.service.models.get_champion("small").artifact.golden["records"][0]
        ).encode()
        ids = []
        for i in range(number):
            loaded, purpose = predictor.route("small", f"client {i}")
            matrix = loaded.decoder.decode_record(record).matrix
            ids += predictor.score_sync(loaded, matrix, Interface.REST, purpose).ids
        return ids


@pytest.fixture
def api(tmp_path: Path, artifact_folder: Path) -> ExperimentApi:
    return ExperimentApi(tmp_path, artifact_folder)


def test_an_experiment_starts_with_its_declaration(api: ExperimentApi) -> None:
    started, now = api.start(), api.made.clock.now
    assert (started["champion"], started["state"], started["ended"]) == (1, "running", False)
    assert (started["since"], started["deadline"]) == (now + 30, now + 30 + 336 * 3600)
    assert (started["ended_at"], started["judged_at"]) == (None, None)
    assert [(each["version"], each["share"], each["rows"], each["verdict"]) for each in started["arms"]] == [
        (1, 0.5, 0, None), (2, 0.25, 0, "open"), (3, 0.25, 0, "open"),
    ]  # fmt: skip
    assert started["phases"] == [{"since": now + 30, "shares": {"2": 0.25, "3": 0.25}}]
    assert started["design"] == {
        "shares": {"2": 0.25, "3": 0.25}, "metric": "error", "minimum_effect": 0.01, "relative": False,
        "greater_is_better": None, "error_rate": 0.05, "max_hours": 336, "max_rows": None, "label_hours": 72,
        "design_effect": 1, "bandit": "none", "min_share": 0.05, "adapt_hours": 1,
    }  # fmt: skip
    [event] = started["events"]
    assert (event["by"], event["at"]) == ("boss", now)
    assert api("GET", EXPERIMENT, key="user-key").document == started
    assert len(api.announced) == 1


def test_every_field_can_be_given(api: ExperimentApi) -> None:
    given = {
        "metric": "truth", "greater_is_better": True, "relative": True, "minimum_effect": 0.5,
        "error_rate": 0.1, "max_hours": 10, "max_rows": 500, "label_hours": 1, "design_effect": 2.5,
        "bandit": "thompson", "min_share": 0.1, "adapt_hours": 2,
    }  # fmt: skip
    assert api.start(**given)["design"] == {**given, "shares": {"2": 0.25, "3": 0.25}}


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"minimum_effect": 0}, 400, "experiment: minimum_effect is 0"),
        ({"shares": {"2": 0.5, "3": 0.5}}, 400, "the champion needs a rest of 1"),
        ({"shares": {"3": 0.2, "challenger": 0.2}}, 400, "a version has two shares"),
        ({"shares": {"9": 0.2}}, 404, "version or alias '9'"),
        ({"shares": {"champion": 0.2}}, 409, "version 1 is the champion, which gets the rest"),
        ({"shares": {"2": "0.2"}}, 422, "body.shares.2"),
        ({"metric": "auc"}, 422, "'loss', 'error' or 'truth'"),
        ({"metric": "truth"}, 400, "greater_is_better is None"),
        ({"alpha": 0.1}, 422, "body.alpha"),
    ],
    ids=lambda each: "" if isinstance(each, str | int) else json.dumps(each),
)
def test_a_wrong_start_is_refused_by_name(
    api: ExperimentApi, changed: dict[str, Any], status: int, words: str
) -> None:
    answer = api("POST", EXPERIMENT, {**RIGHT, **changed})
    assert (answer.status, words in answer.document["detail"]) == (status, True), answer.body
    assert api.plans.load("small") == []
    assert api.announced == []


def test_only_administrators_begin_stop_and_export(api: ExperimentApi) -> None:
    api.start()
    for method, path in (("POST", EXPERIMENT), ("POST", f"{EXPERIMENT}/stop"), ("GET", ASSIGNMENTS)):
        assert api(method, path, RIGHT, key="user-key").status == 403
    assert api("GET", EXPERIMENT, key="user-key").document["ended"] is False


def test_a_stop_is_an_event_and_happens_once(api: ExperimentApi) -> None:
    api.start()
    stopped = api("POST", f"{EXPERIMENT}/stop", {"reason": "enough"}).document
    assert (stopped["state"], stopped["ended"], stopped["ended_at"]) == ("stopped", True, api.made.clock.now)
    assert [each["reason"] for each in stopped["events"]][1:] == ["stopped: enough"]
    again = api("POST", f"{EXPERIMENT}/stop")
    assert (again.status, "only a running one can be stopped" in again.document["detail"]) == (409, True)
    api.start(metric="loss")
    listed = api("GET", EXPERIMENTS, key="user-key").document["experiments"]
    assert [each["design"]["metric"] for each in listed] == ["loss", "error"]
    assert len(api("GET", f"{EXPERIMENTS}?limit=1", key="user-key").document["experiments"]) == 1


def test_a_rollout_and_an_experiment_exclude_each_other(api: ExperimentApi) -> None:
    begin_rollout(api.plans, "small", (1, 2), Ramp(), "ann", api.made.clock.now)
    refused = api("POST", EXPERIMENT, RIGHT)
    assert (refused.status, "servicio-ml rollout small abort" in refused.document["detail"]) == (409, True)
    assert api("POST", f"{EXPERIMENT}/stop").status == 409


def test_what_never_was_is_not_found(api: ExperimentApi) -> None:
    for path in (EXPERIMENT, ASSIGNMENTS):
        answer = api("GET", path)
        assert answer.status == 404
        assert "begin one: servicio-ml experiment small start" in answer.document["detail"]
    assert api("GET", "/models/nobody/experiment").status == 404
    assert api("GET", EXPERIMENTS).document == {"model": "small", "experiments": []}


def test_assignments_and_outcomes_are_exported(api: ExperimentApi, tmp_path: Path) -> None:
    api.start()
    api.answer_clients(5)
    api.made.clock.now += LEAD_SECONDS
    ids = api.answer_clients(40)
    truths = [GroundTruth(prediction_id=each, actual=1.0, at=api.made.clock.now + 5) for each in ids[:10]]
    api.made.log.add_ground_truth(truths)
    api.made.clock.now += 60
    rows = list(csv.DictReader(StringIO(api("GET", ASSIGNMENTS, accept="text/csv").body.decode())))
    # those before the time from which clients are assigned are no part of it
    assert [each["prediction_id"] for each in rows] == ids
    assert {(each["version"], each["share"]) for each in rows} == {("1", "0.5"), ("2", "0.25"), ("3", "0.25")}
    assert {each["phase"] for each in rows} == {"0"}
    positive = api.made.service.models.get_champion("small").labels[1]
    assert [each["actual"] for each in rows] == [positive] * 10 + [""] * 30
    file = tmp_path / "rows.parquet"
    file.write_bytes(api("GET", ASSIGNMENTS, accept=PARQUET).body)
    table = pq.read_table(file)
    assert table.column_names == list(rows[0])
    received = [each and each.timestamp() for each in table["actual_time"].to_pylist()]
    assert received[9:11] == [api.made.clock.now - 55, None]
    assert table["probability"].null_count == 0
