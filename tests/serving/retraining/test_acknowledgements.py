"""The routes of acknowledged drift: who may, what is refused, what replicas and metrics show."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from acknowledgement_cases import REFUSED, RefusedRequest
from alert_hook import KEYS, STATE, HookFixture, create_hook
from asgi import AsgiResponse
from servicio_ml.domain.prediction import Interface
from servicio_ml.domain.use_case import Task
from small_use_case import generate_rows

PATH = "/models/small/acknowledgements"
JSON = {"Content-Type": "application/json"}
BOSS, USER = {"X-API-Key": "boss-key"}, {"X-API-Key": "user-key"}
PSI = "servicio_ml_acknowledged_psi"
DAY = 86_400


@pytest.fixture
def hook(tmp_path: Path, artifact_folder: Path) -> HookFixture:
    """A server whose rows have another size than the training rows."""
    made = create_hook(tmp_path / "first", artifact_folder, keys=KEYS)
    champion = made.made.service.models.get_champion("small")
    matrix = champion.artifact.encoder.encode_frame(generate_rows(Task.BINARY, 500, 5).drop("outcome"))
    matrix[:, 1] += 2
    made.made.service.predictor.score_sync(champion, matrix, Interface.REST)
    made.made.clock.now += 1
    return made


def find_day(hook: HookFixture, days: int) -> str:
    return f"{datetime.fromtimestamp(hook.made.clock.now, UTC).date() + timedelta(days)}"


def acknowledge(hook: HookFixture, headers: Mapping[str, str] = BOSS, **changed: Any) -> AsgiResponse:
    body = {"feature": "size", "until": find_day(hook, 3), "reason": "it is known", **changed}
    return hook("POST", PATH, body, {**JSON, **headers})


def test_an_accepted_drift_is_recorded_exported_and_shown(hook: HookFixture) -> None:
    answer = acknowledge(hook)
    assert answer.status == 200, answer.body
    state = answer.document
    assert (state["feature"], state["by"], state["reason"]) == ("size", "boss", "it is known")
    assert state["until"].startswith(find_day(hook, 4))
    assert hook.read_metric(PSI, model="small", feature="size") == state["psi"] > 1
    missing = hook.read_metric("servicio_ml_acknowledged_missing_ratio", model="small", feature="size")
    assert missing == state["missing_excess"]
    listed = hook("GET", PATH, b"", USER).document
    assert listed == {"model": "small", "held": [state], "history": [state]}
    [decision] = hook("GET", STATE, b"", USER).document["decisions"]
    assert (decision["decision"], decision["at"]) == ("acknowledged", hook.made.clock.now)
    assert decision["reason"].startswith("boss accepts the drift of size (PSI ")
    assert decision["reason"].endswith(": it is known")


def test_it_ends_by_itself(hook: HookFixture) -> None:
    acknowledge(hook, until=find_day(hook, 0))
    hook.made.clock.now += DAY
    assert hook.read_metric(PSI, model="small", feature="size") is None
    assert hook("GET", PATH, b"", USER).document["held"] == []
    assert len(hook("GET", PATH, b"", USER).document["history"]) == 1


def test_it_ends_by_an_administrator(hook: HookFixture) -> None:
    acknowledge(hook)
    hook.made.clock.now += 1
    assert hook("DELETE", f"{PATH}/size", b"", BOSS).status == 200
    assert hook.read_metric(PSI, model="small", feature="size") is None
    decisions = hook("GET", STATE, b"", USER).document["decisions"]
    assert [each["decision"] for each in decisions] == ["acknowledgement_ended", "acknowledged"]
    again = hook("DELETE", f"{PATH}/size", b"", BOSS)
    assert (again.status, "no acknowledgement of 'size'" in again.document["detail"]) == (400, True)


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_refused_by_name(hook: HookFixture, case: RefusedRequest) -> None:
    until = case.text if case.days is None else find_day(hook, case.days)
    answer = acknowledge(hook, feature=case.feature, until=until, reason=case.reason)
    assert answer.status == 400
    for word in case.said:
        assert word in answer.document["detail"]
    assert hook("GET", PATH, b"", USER).document["history"] == []


def test_only_administrators_accept_drift(hook: HookFixture) -> None:
    assert acknowledge(hook, USER).status == 403
    assert hook("DELETE", f"{PATH}/size", b"", USER).status == 403
    assert acknowledge(hook, {}).status == 401
    assert hook("GET", PATH, b"", {}).status == 401
    assert hook("GET", "/models/other/acknowledgements", b"", USER).status == 404


def test_another_replica_and_a_new_process_know_it(
    hook: HookFixture, tmp_path: Path, artifact_folder: Path
) -> None:
    acknowledge(hook)
    other = create_hook(tmp_path / "other", artifact_folder, log=hook.log)
    other.made.clock.now = hook.made.clock.now
    assert other.read_metric(PSI, model="small", feature="size") is None
    other.acknowledgements.refresh()
    assert other.read_metric(PSI, model="small", feature="size") == hook.read_metric(
        PSI, model="small", feature="size"
    )
