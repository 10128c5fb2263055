"""The routes of rollouts: who may, what is refused, and what they show."""

import json
import random
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from alert_hook import KEYS
from asgi import AsgiResponse, call
from fakes.decision_log import MemoryDecisionLog
from fakes.tracker import MemoryTracker
from fakes.traffic_plans import MemoryTrafficPlans
from services import ServiceFixture, create_service
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.domain.rollout.guardrails import Guardrail, GuardrailFinding, Verdict
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.rollout.rollout import Rollout
from servicio_ml.domain.rollout.transitions import (
    abort_superseded,
    confirm_promotion,
    confirm_rollback,
    judge_rollout,
)
from servicio_ml.errors import LogError, RegistryError
from servicio_ml.lifecycle.model_history import ModelHistory
from servicio_ml.lifecycle.rollout.actions import change_rollout
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.rest.models import build_model_routes
from servicio_ml.serving.rollout.routes import RolloutActions, build_routes

ROLLOUT, ROLLOUTS, TRAFFIC = "/models/small/rollout", "/models/small/rollouts", "/models/small/traffic"
HOLDS = tuple(
    GuardrailFinding(guardrail=each, verdict=Verdict.HOLDS, rows=900, value=0.0, limit=0.1)
    for each in Guardrail
)
LEAD_SECONDS = 30.0
POLICY = Ramp(steps=(0.1, 1.0), min_rows=10)


class RolloutApi:
    """Routes of rollouts and of traffic behind a gateway with keys; version 2 is the challenger."""

    def __init__(self, folder: Path, artifact_folder: Path) -> None:
        self.made: ServiceFixture = create_service(folder, artifact_folder, keys=KEYS)
        self.made.promote(artifact_folder, CHALLENGER)
        self.plans, self.announced = MemoryTrafficPlans(), list[float]()
        service, clock = self.made.service, self.made.clock

        def announce() -> None:
            self.announced.append(clock())

        self.history = ModelHistory(
            MemoryTracker(folder / "runs", clock), self.made.registry, NoStats(), clock,
            MemoryDecisionLog().hold_champion,
        )  # fmt: skip
        actions = RolloutActions(
            models=service.models, plans=self.plans, find_ramp=lambda _: POLICY, announce=announce,
            clock=clock, history=self.history,
        )  # fmt: skip
        routers = [
            build_model_routes(service, self.made.registry.set_model_tag, announce, dict, self.plans),
            build_routes(actions),
        ]
        bits = random.Random(3).getrandbits  # noqa: S311  ids, no secrets
        self.gateway = Gateway(build_app(service, routers), service, AccessLog(BytesIO()), bits)

    def __call__(self, method: str, path: str, sent: object = None, key: str = "boss-key") -> AsgiResponse:
        raw = b"" if sent is None else json.dumps(sent).encode()
        headers = {"Content-Type": "application/json", "X-API-Key": key}
        path, _, query = path.partition("?")
        return call(self.gateway, method, path, query, raw, headers)

    def start(self, **body: Any) -> Any:
        answer = self("POST", ROLLOUT, body)
        assert answer.status == 200, answer.body
        return answer.document

    def change(self, transition: Callable[[Rollout], Rollout]) -> None:
        """Change the newest rollout as a maintainer does."""

        change_rollout(self.plans, "small", transition)

    def advance(self, rows: int) -> None:
        """Evaluate the newest rollout where all guardrails hold."""
        now = self.made.clock.now
        self.change(lambda newest: judge_rollout(newest, HOLDS, rows, now, LEAD_SECONDS))

    def get(self) -> Any:
        answer = self("GET", ROLLOUT, key="user-key")
        assert answer.status == 200, answer.body
        return answer.document


@pytest.fixture
def api(tmp_path: Path, artifact_folder: Path) -> RolloutApi:
    return RolloutApi(tmp_path, artifact_folder)


def test_a_rollout_starts_in_shadow_with_the_policy_of_the_use_case(api: RolloutApi) -> None:
    started = api.start()
    assert (started["champion"], started["challenger"], started["state"]) == (1, 2, "ramping")
    assert (started["step"], started["steps"], started["share"], started["ended"]) == (0, [0.1, 1], 0, False)
    assert started["deadline"] == api.made.clock.now + Ramp().max_hours * 3600
    assert started["judged_at"] is None
    assert started["ramp"]["min_rows"] == 10
    [event] = started["events"]
    assert (event["by"], event["at"], event["share"]) == ("boss", api.made.clock.now, 0)
    assert event["reason"] == "version 2 scores 50% of the rows in shadow"
    assert api.get() == started
    assert len(api.announced) == 1


def test_fields_of_the_ramp_can_be_given(api: RolloutApi) -> None:
    given = {"steps": [0.05, 0.5, 1], "undecided": "advance", "needs_labels": False, "max_shift": 1}
    ramp = api.start(ramp=given)["ramp"]
    assert ramp == {**ramp, **given, "min_rows": 10}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"ramp": {"shadow": 2}}, 400, "ramp: shadow is 2.0; it must be at most 1 and above 0"),
        ({"ramp": {"steps": [0.5, 0.1, 1]}}, 400, "ramp: steps are 0.5, 0.1, 1; they must ascend"),
        ({"ramp": {"max_hours": 1, "min_hours": 2}}, 400, "max_hours is 1; it must be at least"),
        ({"ramp": {"steps": []}}, 400, "ramp: it has 0 steps; it needs 1 to 20"),
        ({"ramp": {"undecided": "wait"}}, 422, "'abort' or 'advance'"),
        ({"ramp": {"speed": 1}}, 422, "body.ramp.speed"),
        ({"ramp": {"needs_labels": 1}}, 422, "body.ramp.needs_labels"),
        ({"version": "2"}, 422, "body.version"),
        ({"version": 2, "alias": "challenger"}, 400, "send one of them"),
        ({"version": 9}, 404, "version or alias '9'"),
        ({"alias": "nobody"}, 404, "version or alias 'nobody'"),
        ({"version": 1}, 409, "version 1 is the champion already"),
    ],
)
def test_a_wrong_start_is_refused_by_name(
    api: RolloutApi, body: dict[str, Any], status: int, words: str
) -> None:
    answer = api("POST", ROLLOUT, body)
    assert (answer.status, words in answer.document["detail"]) == (status, True), answer.body
    assert api.plans.load("small") == []
    assert api.announced == []


def test_without_a_challenger_there_is_nothing_to_roll_out(tmp_path: Path, artifact_folder: Path) -> None:
    api = RolloutApi(tmp_path, artifact_folder)
    api.made.registry.delete("small", 2)
    answer = api("POST", ROLLOUT)
    assert (answer.status, "alias 'challenger'" in answer.document["detail"]) == (404, True)


def test_a_version_that_does_not_load_gets_no_rollout(api: RolloutApi, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "signature.json").write_text("{}")
    api.made.registry.register("small", broken, run_id="run", tags={})
    assert api("POST", ROLLOUT, {"version": 3}).status == 503
    assert api.plans.load("small") == []


def test_a_model_has_one_rollout_at_a_time(api: RolloutApi, artifact_folder: Path) -> None:
    api.start()
    again = api("POST", ROLLOUT)
    assert (again.status, "servicio-ml rollout small abort" in again.document["detail"]) == (409, True)
    api("POST", f"{ROLLOUT}/abort")
    version = api.made.promote(artifact_folder, CHALLENGER)
    assert api.start()["challenger"] == version
    listed = api("GET", ROLLOUTS, key="user-key").document
    assert [each["challenger"] for each in listed["rollouts"]] == [version, 2]
    assert len(api("GET", f"{ROLLOUTS}?limit=1", key="user-key").document["rollouts"]) == 1


def test_share_and_evidence_are_shown_as_of_now(api: RolloutApi) -> None:
    api.start()
    api.advance(rows=10)
    assert (api.get()["step"], api.get()["share"]) == (1, 0)
    api.made.clock.now += LEAD_SECONDS
    found = api.get()
    assert (found["share"], found["since"], found["rows_before"]) == (0.1, api.made.clock.now, 10)
    assert found["events"][-1]["by"] == "rollout"
    assert [each["guardrail"] for each in found["findings"]] == [*Guardrail]
    assert found["findings"][0] == {
        "guardrail": "loss", "verdict": "holds", "rows": 900, "value": 0.0, "limit": 0.1,
        "text": "loss: +0.0% (limit +10.0%) on 900 rows",
    }  # fmt: skip


def test_people_pause_resume_and_abort(api: RolloutApi) -> None:
    api.start()
    paused = api("POST", f"{ROLLOUT}/pause", {"reason": "a holiday"}).document
    assert (paused["state"], paused["deadline"]) == ("paused", None)
    assert paused["events"][-1]["reason"] == "paused at 0%: a holiday"
    api.made.clock.now += 60
    resumed = api("POST", f"{ROLLOUT}/resume").document
    assert (resumed["state"], resumed["since"]) == ("ramping", api.made.clock.now - 60)
    assert resumed["deadline"] == api.made.clock.now + Ramp().max_hours * 3600
    aborted = api("POST", f"{ROLLOUT}/abort", {"reason": "too slow"}).document
    assert (aborted["state"], aborted["ended"], aborted["share"]) == ("aborted", True, 0)
    assert [(each["reason"], each["by"]) for each in aborted["events"][1:]] == [
        ("paused at 0%: a holiday", "boss"),
        ("resumed at 0%", "boss"),
        ("aborted: too slow", "boss"),
    ]
    assert len(api.announced) == 4


@pytest.mark.parametrize("action", ["pause", "resume", "abort"])
def test_what_does_not_fit_the_state_is_a_conflict(api: RolloutApi, action: str) -> None:
    none = api("POST", f"{ROLLOUT}/{action}")
    assert (none.status, "servicio-ml rollout small start" in none.document["detail"]) == (409, True)
    api.start()
    api("POST", f"{ROLLOUT}/abort")
    over = api("POST", f"{ROLLOUT}/{action}")
    assert (over.status, "the rollout is aborted" in over.document["detail"]) == (409, True)
    assert len(api.get()["events"]) == 2
    assert api("POST", f"{ROLLOUT}/{action}", {"reason": ""}).status == 422


def test_the_challenger_is_champion_during_the_watch(api: RolloutApi) -> None:
    api.start(ramp={"steps": [1]})
    for rows in (10, 20):
        api.advance(rows)
        api.made.clock.now += LEAD_SECONDS
    now = api.made.clock.now
    assert (api.get()["state"], api.get()["share"]) == ("promoting", 1)
    api.change(lambda newest: confirm_promotion(newest, now))
    watching = api.get()
    assert (watching["state"], watching["share"], watching["deadline"]) == (
        "watching",
        1,
        now + Ramp().watch_hours * 3600,
    )
    refused = api("POST", f"{ROLLOUT}/abort")
    assert (refused.status, "servicio-ml rollback small" in refused.document["detail"]) == (409, True)
    api.change(lambda newest: confirm_rollback(newest, now))
    assert (api.get()["state"], api.get()["share"], api.get()["deadline"]) == ("rolled_back", 0, None)


def test_nobody_sets_shares_by_hand_during_a_rollout(api: RolloutApi) -> None:
    wanted = {"shadow": 0.5, "canary": 0.0}
    api.start()
    refused = api("PUT", TRAFFIC, wanted)
    assert (refused.status, "the rollout of version 2 is ramping" in refused.document["detail"]) == (
        409,
        True,
    )
    assert api.made.registry.get_model_tags("small") == {}
    api.change(lambda newest: abort_superseded(newest, 2, api.made.clock.now))
    assert api("PUT", TRAFFIC, wanted).document["traffic"] == wanted


def test_an_abort_is_recorded_before_another_rollout_begins(
    api: RolloutApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def list_decisions() -> list[str]:
        return [each.decision for each in api.history.list_decisions("small").decisions]

    api.start()
    assert api("POST", f"{ROLLOUT}/abort", {"reason": "no time"}).status == 200
    api.start()
    assert list_decisions() == ["rejected", "rollout started"]

    def fail(*_: object) -> None:
        raise RegistryError("registry", "it is away")

    # without MLflow the servers record it later
    monkeypatch.setattr(api.history, "record_rollout", fail)
    assert api("POST", f"{ROLLOUT}/abort").status == 200
    assert list_decisions() == ["rejected", "rollout started"]


def test_only_administrators_change_a_rollout(api: RolloutApi) -> None:
    for path in (ROLLOUT, *(f"{ROLLOUT}/{action}" for action in ("pause", "resume", "abort"))):
        assert api("POST", path, key="user-key").status == 403
        assert api("POST", path, key="nobody").status == 401
    for path in (ROLLOUT, ROLLOUTS):
        assert api("GET", path, key="nobody").status == 401
    assert api.plans.load("small") == []


def test_without_a_rollout_there_is_none_to_show(api: RolloutApi) -> None:
    none = api("GET", ROLLOUT, key="user-key")
    assert (none.status, "has no rollout" in none.document["detail"]) == (404, True)
    assert api("GET", ROLLOUTS, key="user-key").document == {"model": "small", "rollouts": []}
    for path in ("/models/other/rollout", "/models/other/rollouts"):
        assert api("GET", path, key="user-key").status == 404
    assert api("POST", "/models/other/rollout/abort").status == 404


def test_without_the_registry_nothing_starts(api: RolloutApi) -> None:
    def fail() -> list[str]:
        raise RegistryError("here", "it is away")

    api.made.registry.list_models = fail  # type: ignore[method-assign]  # an outage
    answer = api("POST", ROLLOUT)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1"), answer.body
    assert api.plans.load("small") == []


def test_a_store_that_is_away_is_an_outage(api: RolloutApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise LogError("it is away", "wait")

    monkeypatch.setattr(api.plans, "load", fail)
    monkeypatch.setattr(api.plans, "change", fail)
    answers = [
        api("GET", ROLLOUT), api("POST", ROLLOUT), api("POST", f"{ROLLOUT}/abort"),
        api("PUT", TRAFFIC, {"shadow": 0.5, "canary": 0.0}),
    ]  # fmt: skip
    assert [each.status for each in answers] == [503] * 4
    assert api.made.registry.get_model_tags("small") == {}
