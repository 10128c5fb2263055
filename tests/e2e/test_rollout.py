"""Rollouts at two real servers over PostgreSQL and an MLflow server, under load and with faults."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from monitoring.rules import build_groups, to_document

from model_server import wait_until
from rollout_platform import (
    CHAMPION_PATH,
    MODEL,
    NAMES,
    ROLLOUT,
    SETTLE_SECONDS,
    Answer,
    RolloutPlatform,
    query,
    start_scraping,
)
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task
from servicio_ml.pipeline.training.build_candidate import build_candidate
from servicio_ml.pipeline.training.dataset import build_holdout, build_problem
from small_use_case import SCHEMA, build_use_case, generate_rows

pytestmark = pytest.mark.slow
RAMP: Mapping[str, Any] = {
    "shadow": 0.5, "steps": [0.2, 0.5, 1], "min_rows": 300, "max_loss_growth": 0.1,
    "max_expected_loss_growth": 1, "max_shift": 1, "max_latency_growth": 20, "watch_hours": 0.002,
}  # fmt: skip
"""Limits that an equal version keeps within seconds: beside a load, two processors keep time badly."""
STEP_SECONDS = 120
"""Maximum time of a step on a busy machine."""
CHANCE_SHARE = 0.5
"""Share of the training rows of the bad model whose label is drawn by chance."""


@pytest.fixture(scope="module")
def bad_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a model that has half of its labels from chance."""
    candidate = Candidate(name="decision_tree", family="decision_tree", max_latency_seconds=1.0)
    use_case, rows = build_use_case(Task.BINARY, candidate), generate_rows(Task.BINARY, 300)
    random = np.random.default_rng(3)
    labels = np.where(random.random(300) < CHANCE_SHARE, random.permutation(rows["outcome"]), rows["outcome"])
    problem = build_problem(
        use_case, SCHEMA, rows.with_columns(pl.Series("outcome", labels.astype(str))), seed=0, threads=1
    )
    test = build_holdout(use_case, SCHEMA, generate_rows(Task.BINARY, 100, seed=1))
    folder = tmp_path_factory.mktemp("bad") / "model"
    build_candidate(problem, test, candidate, {"max_depth": 4}, folder, "test")
    return folder


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[RolloutPlatform]:
    with ExitStack() as stack:
        yield RolloutPlatform(tmp_path, stack)


def begin(platform: RolloutPlatform, **changes: object) -> None:
    started = platform.call("POST", ROLLOUT, {"ramp": {**RAMP, **changes}})
    assert started.status == 200, started.body


def wait_for(platform: RolloutPlatform, is_reached: Callable[[Mapping[str, Any]], bool]) -> None:
    try:
        wait_until("the rollout is as wanted", lambda: is_reached(platform.get_rollout()), STEP_SECONDS)
    except TimeoutError:
        pytest.fail(f"never reached: {platform.get_rollout()}")


def wait_for_state(platform: RolloutPlatform, *states: str) -> None:
    wait_for(platform, lambda rollout: rollout["state"] in states)


def wait_for_step(platform: RolloutPlatform, step: int) -> None:
    wait_for(platform, lambda rollout: rollout["step"] >= step)


def check_answers(platform: RolloutPlatform) -> Mapping[str, list[Answer]]:
    """Check that every answer is in the log with its version, and none was refused; return them by client."""
    platform.load.stop()
    assert [each.body for each in platform.load.refused] == []
    answered = {key: each.version for each in platform.load.answers for key in each.ids}
    assert len(answered) > 1000
    wait_until("all is shipped", lambda: platform.read_logged().keys() >= answered.keys())
    assert platform.read_logged() == answered
    return platform.load.list_histories()


def list_changes(history: list[Answer]) -> list[int]:
    """List the versions of a client, each run of equal ones once."""
    return [version for version, _ in groupby(each.version for each in history)]


def test_a_ramp_to_the_end_with_a_killed_replica_and_a_registry_away(
    platform: RolloutPlatform, artifact_folder: Path
) -> None:
    first, second = platform.add_versions(artifact_folder, artifact_folder)
    for name in NAMES:
        platform.start_replica(name)
    platform.start_load()
    begin(platform, min_hours=0.004)
    wait_for_step(platform, 1)
    platform.kill_replica("right")
    platform.start_replica("right")
    wait_for_step(platform, 2)
    platform.stop_mlflow()
    wait_for_state(platform, "promoting")
    platform.start_mlflow()
    wait_for_state(platform, "watching", "finished")
    assert platform.champion == second
    wait_for_state(platform, "finished")
    histories = check_answers(platform)
    # sticky: each client has changed once, and never back
    assert {tuple(list_changes(each)) for each in histories.values()} <= {(first, second), (second,)}
    shares = [each["share"] for each in platform.get_rollout()["events"]]
    assert shares[:4] == [0, 0.2, 0.5, 1]
    decisions = platform.call("GET", f"/models/{MODEL}/history").document["decisions"]
    assert [each["decision"] for each in decisions[:2]] == ["promoted", "rollout started"]


def test_a_bad_challenger_is_rolled_back_within_the_bound(
    platform: RolloutPlatform, artifact_folder: Path, bad_folder: Path, tmp_path: Path
) -> None:
    first, second = platform.add_versions(artifact_folder, bad_folder)
    for name in NAMES:
        platform.start_replica(name)
    rules = to_document(build_groups("1s"))
    with start_scraping(tmp_path, platform.replicas, rules) as prometheus:
        platform.start_load()
        # the loss is judged late, so that clients have met the challenger
        begin(platform, needs_labels=False, steps=[0.5, 1], min_rows=50, max_loss_growth=0.3)
        wait_for_state(platform, "rolled_back")
        back_at = platform.get_rollout()["events"][-1]["at"]
        wait_until(
            "the alert fires",
            lambda: query(prometheus, 'ALERTS{alertname="RolloutRolledBack",alertstate="firing"}'),
        )
        wait_until("all have heard of it", lambda: time.time() > back_at + 2 * SETTLE_SECONDS)
        histories = check_answers(platform)
    assert platform.champion == first
    late = [each for each in platform.load.answers if each.asked_at > back_at + SETTLE_SECONDS]
    assert late
    assert {each.version for each in late} == {first}
    early = {
        name: [each for each in every if each.answered_at < back_at] for name, every in histories.items()
    }
    assert {tuple(list_changes(each)) for each in early.values() if each} <= {
        (first,), (first, second), (second,)
    }  # fmt: skip
    newest = platform.call("GET", f"/models/{MODEL}/history").document["decisions"][0]
    assert (newest["decision"], newest["version"]) == ("rejected", second)
    assert "loss: +" in newest["reason"]


def test_of_two_administrators_at_two_replicas_one_wins(
    platform: RolloutPlatform, artifact_folder: Path
) -> None:
    first, second = platform.add_versions(artifact_folder, artifact_folder)
    for name in NAMES:
        platform.start_replica(name)
    with ThreadPoolExecutor(2) as executor:
        started = executor.map(lambda name: platform.call("POST", ROLLOUT, {"ramp": RAMP}, name), NAMES)
        answers = sorted(started, key=lambda each: each.status)
        assert [each.status for each in answers] == [200, 409]
        assert "is ramping" in answers[1].document["detail"]
        aborted = executor.map(lambda name: platform.call("POST", f"{ROLLOUT}/abort", {}, name), NAMES)
        assert sorted(each.status for each in aborted) == [200, 409]
        body = {"reason": "it is better", "instead_of": first, "version": second}
        moved = executor.map(lambda name: platform.call("PUT", CHAMPION_PATH, body, name), NAMES)
        assert sorted(each.status for each in moved) == [200, 409]
    found = platform.shelf.registry.resolve(MODEL, CHAMPION)
    assert found is not None
    assert found.version == second
