"""Rollouts in a server: steps, rollback, promotion, watch, and what happens when something is away."""

from dataclasses import replace
from pathlib import Path

import pytest

from rollout_fixture import (
    CHALLENGER_VERSION,
    CHAMPION_VERSION,
    FAST_RAMP,
    JUDGE_SECONDS,
    LEAD_SECONDS,
    MODEL,
    RolloutFixture,
    replace_predictions,
)
from servicio_ml.domain.prediction import GroundTruth, Purpose
from servicio_ml.domain.promotion import CHAMPION, PromotionDecision
from servicio_ml.domain.rollout.guardrails import Guardrail, Verdict
from servicio_ml.domain.rollout.rollout import Rollout, RolloutState
from servicio_ml.domain.rollout.transitions import abort_rollout, pause_rollout, resume_rollout
from servicio_ml.errors import LogError, RegistryError
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.lifecycle.rollout.actions import change_rollout
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.rollout.losses import LossReader

CLIENTS = [f"client {i}" for i in range(400)]


@pytest.fixture
def place(tmp_path: Path, artifact_folder: Path) -> RolloutFixture:
    return RolloutFixture(tmp_path, artifact_folder)


def list_versions(place: RolloutFixture) -> list[int]:
    return [place.made.service.predictor.route(MODEL, client)[0].version for client in CLIENTS]


def has_ended(rollout: Rollout) -> bool:
    return rollout.has_ended


def test_an_equal_challenger_becomes_champion_in_steps(place: RolloutFixture) -> None:
    place.start()
    assert set(list_versions(place)) == {CHAMPION_VERSION}
    place.run_until(lambda rollout: rollout.step == 1)
    # the step applies later, at one time for all replicas
    assert set(list_versions(place)) == {CHAMPION_VERSION}
    place.run(LEAD_SECONDS)
    first = list_versions(place)
    assert first.count(CHALLENGER_VERSION) / len(first) == pytest.approx(0.2, abs=0.06)
    place.run_until(lambda rollout: rollout.state is RolloutState.WATCHING)
    assert place.champion == CHALLENGER_VERSION
    assert set(list_versions(place)) == {CHALLENGER_VERSION}
    place.run(FAST_RAMP.watch_hours * 3600)
    assert place.rollout.state is RolloutState.FINISHED
    assert [each.decision for each in place.decisions] == [
        PromotionDecision.PROMOTED, PromotionDecision.ROLLOUT_STARTED, PromotionDecision.SET_OUTSIDE,
    ]  # fmt: skip
    evidence = place.decisions[0].evidence["rollout"]
    assert {each["verdict"] for each in evidence["findings"]} == {"holds"}


def test_a_client_never_leaves_the_challenger_until_the_end(place: RolloutFixture) -> None:
    place.start(replace(FAST_RAMP, steps=(0.1, 0.3, 0.7, 1.0)))
    seen = [list_versions(place)]
    while place.rollout.state is not RolloutState.WATCHING:
        place.send(150)
        place.run()
        seen.append(list_versions(place))
    for history in zip(*seen, strict=True):
        assert sorted(history) == list(history)


def test_clients_without_a_key_follow_at_the_end(place: RolloutFixture) -> None:
    route = place.made.service.predictor.route
    place.start(replace(FAST_RAMP, steps=(0.9, 1.0)))
    place.run_until(lambda rollout: rollout.step == 1)
    place.run(LEAD_SECONDS)
    assert route(MODEL)[0].version == CHAMPION_VERSION
    place.run_until(lambda rollout: rollout.step == 2)
    place.run(LEAD_SECONDS)
    assert route(MODEL)[0].version == CHALLENGER_VERSION


def test_both_versions_score_the_same_rows(place: RolloutFixture) -> None:
    place.start()
    place.run_until(lambda rollout: rollout.step == 1)
    place.run(LEAD_SECONDS)
    before = set(place.made.log.written_chunks)
    place.send(60)
    written = [chunk for key, chunk in place.made.log.written_chunks.items() if key not in before]
    kinds = {(chunk.version, chunk.purpose) for chunk in written}
    assert kinds == {
        (CHAMPION_VERSION, Purpose.ANSWER), (CHALLENGER_VERSION, Purpose.SHADOW),
        (CHALLENGER_VERSION, Purpose.CANARY), (CHAMPION_VERSION, Purpose.SHADOW),
    }  # fmt: skip
    assert len(written) == 120


def test_a_bad_challenger_is_rolled_back(place: RolloutFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    place.start()
    replace_predictions(monkeypatch, place, CHALLENGER_VERSION)
    place.run_until(has_ended)
    assert place.rollout.state is RolloutState.ROLLED_BACK
    assert set(list_versions(place)) == {CHAMPION_VERSION}
    assert place.champion == CHAMPION_VERSION
    rejected = place.decisions[0]
    assert (rejected.decision, rejected.challenger) == (PromotionDecision.REJECTED, CHALLENGER_VERSION)
    assert "loss: +" in rejected.reason


def test_a_correction_of_the_ground_truth_counts(place: RolloutFixture) -> None:
    place.start()
    results = place.send(300)
    place.run()
    before = place.rollout.findings[0]
    corrected = [GroundTruth(prediction_id=each.ids[0], actual=1.0, at=place.clock()) for each in results]
    place.made.log.add_ground_truth(corrected)
    evidence = LossReader(place.made.log, place.models).read_losses(place.rollout, place.clock() + 1)
    # the squared differences to a truth of 1, for each of the rows once
    losses = [2 * (1 - place.get_probability(each)) ** 2 for each in results]
    assert (before.rows, evidence.sums.rows) == (300, 300)
    assert evidence.sums.second == pytest.approx(sum(losses))


def test_a_bad_champion_goes_back_within_the_watch(
    place: RolloutFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.start()
    place.run_until(lambda rollout: rollout.state is RolloutState.WATCHING)
    replace_predictions(monkeypatch, place, CHALLENGER_VERSION)
    place.run_until(has_ended, rows=400)
    assert place.rollout.state is RolloutState.ROLLED_BACK
    assert place.champion == CHAMPION_VERSION
    assert place.decisions[0].decision is PromotionDecision.ROLLED_BACK
    assert set(list_versions(place)) == {CHAMPION_VERSION}


def test_a_challenger_that_fails_is_rolled_back_without_labels(
    place: RolloutFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.start()
    bad = place.models.get_or_load(MODEL, str(CHALLENGER_VERSION))
    score, calls = LoadedModel.score, iter(range(10**6))

    def fail_sometimes(self: LoadedModel, key: bytes, matrix: Matrix) -> object:
        if self is bad and next(calls) % 20 == 0:
            raise ValueError("broken")
        return score(self, key, matrix)

    monkeypatch.setattr(LoadedModel, "score", fail_sometimes)
    for _ in range(8):
        place.send(100, labelled=False)
        place.run()
    assert place.rollout.state is RolloutState.ROLLED_BACK
    assert "failures: " in place.rollout.events[-1].reason


def test_a_slow_challenger_is_rolled_back(place: RolloutFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    place.start()
    bad, counter = (
        place.models.get_or_load(MODEL, str(CHALLENGER_VERSION)),
        place.made.service.predictor.arm_counter,
    )
    times = {False: 1e-3, True: 1.5e-3}
    now = [0.0]
    predict = Artifact.predict

    def take_time(self: Artifact, matrix: Matrix) -> object:
        now[0] += times[self is bad.artifact]
        return predict(self, matrix)

    monkeypatch.setattr(Artifact, "predict", take_time)
    monkeypatch.setattr(counter, "_timer", lambda: now[0])
    for _ in range(30):
        now[0] += 1.0
        place.send(10, labelled=False)
        place.run()
        now[0] += 1.0
    assert place.rollout.state is RolloutState.ROLLED_BACK
    assert "latency: slower than its limit in 100%" in place.rollout.events[-1].reason


def test_two_workers_judge_once(place: RolloutFixture) -> None:
    place.cycles.append(place.build_cycle())
    place.start()
    place.run_until(lambda rollout: rollout.state is RolloutState.WATCHING)
    states = [(event.state, event.share) for event in place.rollout.events]
    assert states == [
        (RolloutState.RAMPING, 0.0), (RolloutState.RAMPING, 0.2), (RolloutState.RAMPING, 1.0),
        (RolloutState.PROMOTING, 1.0), (RolloutState.WATCHING, 1.0),
    ]  # fmt: skip
    assert len(place.decisions) == 3


def test_a_pause_holds_the_share_and_a_breach_ends_it(
    place: RolloutFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.start()
    change_rollout(place.plans, MODEL, lambda newest: pause_rollout(newest, "ann", place.clock()))
    for _ in range(4):
        place.send(300)
        place.run()
    assert (place.rollout.state, place.rollout.step) == (RolloutState.PAUSED, 0)
    change_rollout(place.plans, MODEL, lambda newest: resume_rollout(newest, "ann", place.clock()))
    place.run_until(lambda rollout: rollout.step == 1)
    change_rollout(place.plans, MODEL, lambda newest: pause_rollout(newest, "ann", place.clock()))
    replace_predictions(monkeypatch, place, CHALLENGER_VERSION)
    place.run_until(has_ended)
    assert place.rollout.state is RolloutState.ROLLED_BACK


def test_an_abort_is_in_the_history(place: RolloutFixture) -> None:
    place.start()
    change_rollout(place.plans, MODEL, lambda newest: abort_rollout(newest, "bob", place.clock(), "no time"))
    for _ in range(3):
        place.run()
    assert [(each.decision, each.by, each.reason) for each in place.decisions[:1]] == [
        (PromotionDecision.REJECTED, "bob", "aborted: no time")
    ]
    assert len(place.decisions) == 3
    assert place.models.get_status(MODEL).others == ()


def test_a_champion_set_by_hand_ends_the_rollout(place: RolloutFixture, artifact_folder: Path) -> None:
    place.start()
    place.run_until(lambda rollout: rollout.step == 1)
    third = place.made.promote(artifact_folder, CHAMPION)
    # in an emergency, at once: a step that is announced must not bring another version
    assert set(list_versions(place)) == {third}
    place.clock.now += LEAD_SECONDS
    assert set(list_versions(place)) == {third}
    place.run(1)
    assert place.rollout.state is RolloutState.ABORTED
    assert f"version {third} became champion" in place.rollout.events[-1].reason
    assert place.champion == third


def test_a_registry_that_is_away_delays_the_promotion_and_nothing_else(
    place: RolloutFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.start()
    place.run_until(lambda rollout: rollout.step == 2)
    with monkeypatch.context() as patch:
        for name in ("set_alias", "list_versions", "list_models", "resolve"):
            patch.setattr(place.made.registry, name, raise_registry_error)
        place.run_until(lambda rollout: rollout.state is RolloutState.PROMOTING)
        for _ in range(3):
            place.send(20)
            place.run()
        assert place.rollout.state is RolloutState.PROMOTING
        assert set(list_versions(place)) == {CHALLENGER_VERSION}
    place.run()
    place.run()
    assert (place.rollout.state, place.champion) == (RolloutState.WATCHING, CHALLENGER_VERSION)


def raise_registry_error(*_: object) -> None:
    raise RegistryError("registry", "away")


def test_a_replica_that_has_not_read_the_registry_changes_no_version(
    place: RolloutFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.start()
    place.run_until(lambda rollout: rollout.state is RolloutState.PROMOTING)
    with monkeypatch.context() as patch:
        # the plan is read, and the registry is not
        patch.setattr(place.models, "refresh", int)
        place.run()
        assert place.rollout.state is RolloutState.WATCHING
        assert place.models.get_champion(MODEL).version == CHAMPION_VERSION
        assert set(list_versions(place)) == {CHALLENGER_VERSION}
    place.run()
    assert place.models.get_champion(MODEL).version == CHALLENGER_VERSION
    assert set(list_versions(place)) == {CHALLENGER_VERSION}


def test_a_store_that_is_away_leaves_the_shares(
    place: RolloutFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.start()
    place.run_until(lambda rollout: rollout.step == 1)
    place.run(LEAD_SECONDS)
    before = list_versions(place)

    def fail(*_: object) -> None:
        raise LogError("log", "away")

    with monkeypatch.context() as patch:
        for name in ("load", "change", "save_counts", "sum_counts"):
            patch.setattr(place.plans, name, fail)
        place.send(100)
        place.run()
        assert list_versions(place) == before
    rows = place.rollout.findings[0].rows
    place.run()
    assert place.rollout.findings[0].rows > rows


def test_guardrails_of_one_rollout_are_not_those_of_the_next(place: RolloutFixture) -> None:
    place.start()
    place.send(300)
    place.run()
    change_rollout(place.plans, MODEL, lambda newest: abort_rollout(newest, "bob", place.clock()))
    place.clock.now += 1
    place.start()
    place.run()
    assert {each.rows for each in place.rollout.findings} == {0}
    assert {each.verdict for each in place.rollout.findings} == {Verdict.OPEN}
    assert [each.guardrail for each in place.rollout.findings] == list(Guardrail)


def test_the_watch_has_evidence_of_its_own(place: RolloutFixture) -> None:
    place.start()
    place.run_until(lambda rollout: rollout.state is RolloutState.WATCHING)
    place.run()
    place.run()
    assert {each.rows for each in place.rollout.findings} == {0}
    place.send(100)
    place.run()
    assert {each.rows for each in place.rollout.findings[:4]} == {100}


def test_a_challenger_promoted_by_hand_is_not_recorded_as_rejected(place: RolloutFixture) -> None:
    place.start()
    place.run()
    place.history.set_champion(MODEL, CHALLENGER_VERSION, "no time", "boss")
    for _ in range(2):
        place.run(LEAD_SECONDS + JUDGE_SECONDS)
    assert place.rollout.state is RolloutState.FINISHED
    assert [each.decision for each in place.decisions][:2] == [
        PromotionDecision.PROMOTED, PromotionDecision.ROLLOUT_STARTED
    ]  # fmt: skip
