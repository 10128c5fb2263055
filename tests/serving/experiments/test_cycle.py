"""Experiments in a server: assignment, outcomes, ends, a bandit, and what happens meanwhile."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rollout_fixture import (
    CHALLENGER_VERSION,
    CHAMPION_VERSION,
    JUDGE_SECONDS,
    LEAD_SECONDS,
    MODEL,
    RolloutFixture,
    replace_predictions,
)
from servicio_ml.domain.experiments.design import Bandit, ExperimentDesign, ExperimentMetric
from servicio_ml.domain.experiments.effects import ArmVerdict
from servicio_ml.domain.experiments.experiment import Experiment, ExperimentState
from servicio_ml.domain.experiments.transitions import stop_experiment
from servicio_ml.domain.prediction import GroundTruth, Interface, Purpose
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.errors import RolloutError
from servicio_ml.lifecycle.experiments.actions import begin_experiment, change_experiment, list_experiments
from servicio_ml.lifecycle.rollout.actions import begin_rollout
from servicio_ml.serving.experiments.outcomes import OutcomeReader

THIRD_VERSION, HOUR = 3, 3600
DESIGN = ExperimentDesign(
    shares={CHALLENGER_VERSION: 0.3, THIRD_VERSION: 0.3}, metric=ExperimentMetric.LOSS, minimum_effect=0.1,
    label_hours=2.0,
)  # fmt: skip


class ExperimentPlace(RolloutFixture):
    """A server with a champion and two other versions, which are equal unless predictions are replaced."""

    def __init__(self, folder: Path, artifact_folder: Path) -> None:
        super().__init__(folder, artifact_folder)
        self.made.promote(artifact_folder, CHALLENGER)

    def compare(self, design: ExperimentDesign = DESIGN) -> None:
        """Begin an experiment, and wait until it applies."""
        now = self.clock()
        begin_experiment(self.plans, MODEL, CHAMPION_VERSION, design, 2, "ann", (now, now + LEAD_SECONDS))
        self.models.refresh()
        self.run(LEAD_SECONDS)

    @property
    def experiment(self) -> Experiment:
        return list_experiments(self.plans, MODEL, 1)[0]

    def compare_until(self, is_reached: Callable[[Experiment], bool], rows: int = 300) -> None:
        """Send requests of new clients until the experiment is as wanted."""
        for _ in range(100):
            if is_reached(self.experiment):
                return
            self.send(rows)
            self.run()
        pytest.fail(f"never reached: {self.experiment}")


@pytest.fixture
def place(tmp_path: Path, artifact_folder: Path) -> ExperimentPlace:
    return ExperimentPlace(tmp_path, artifact_folder)


def count_routes(place: ExperimentPlace) -> Counter[tuple[int, Purpose]]:
    routed = (place.made.service.predictor.route(MODEL, f"client {i}") for i in range(1000))
    return Counter((loaded.version, purpose) for loaded, purpose in routed)


def test_clients_with_a_key_are_assigned_by_share_from_one_time_on(place: ExperimentPlace) -> None:
    now = place.clock()
    begin_experiment(place.plans, MODEL, CHAMPION_VERSION, DESIGN, 2, "ann", (now, now + LEAD_SECONDS))
    place.models.refresh()
    assert {version for version, _ in count_routes(place)} == {CHAMPION_VERSION}
    place.run(LEAD_SECONDS)
    found = count_routes(place)
    assert {purpose for _, purpose in found} == {Purpose.CANARY}
    shares = {version: number / 1000 for (version, _), number in found.items()}
    assert shares == pytest.approx({1: 0.4, 2: 0.3, 3: 0.3}, abs=0.05)
    assert count_routes(place) == found
    # nobody assigned these
    route = place.made.service.predictor.route
    assert (route(MODEL)[0].version, route(MODEL)[1]) == (CHAMPION_VERSION, Purpose.ANSWER)


def test_only_assigned_answers_are_outcomes(place: ExperimentPlace) -> None:
    place.compare()
    results = place.send(30)
    predictor = place.made.service.predictor
    for loaded in place.models.get_status(MODEL).loaded:
        result = predictor.score_sync(loaded, results[0].scored_batch.matrix, Interface.REST)
        place.made.log.add_ground_truth([place.draw_truth(result)])
    place.run()
    outcomes = OutcomeReader(place.made.log, place.models).read_outcomes(place.experiment, place.clock())
    assert outcomes.rows == 30
    assert sum(each.rows for each in place.experiment.findings) == 30


@pytest.mark.parametrize("metric", ExperimentMetric)
def test_the_mean_of_each_version_is_that_of_its_rows(
    place: ExperimentPlace, metric: ExperimentMetric
) -> None:
    better = True if metric is ExperimentMetric.TRUTH else None
    place.compare(replace(DESIGN, metric=metric, greater_is_better=better))
    results = place.send(60, labelled=False)
    expected: dict[int, list[float]] = {1: [], 2: [], 3: []}
    for i, result in enumerate(results):
        actual = float(i % 3 == 0)
        place.made.log.add_ground_truth(
            [GroundTruth(prediction_id=result.ids[0], actual=actual, at=place.clock())]
        )
        [logged] = place.made.log.find(result.ids).values()
        expected[logged.version].append(
            {
                ExperimentMetric.LOSS: (logged.probabilities[1] - actual) ** 2,
                ExperimentMetric.ERROR: float(logged.outcome != actual),
                ExperimentMetric.TRUTH: actual,
            }[metric]
        )
    place.run()
    findings = place.experiment.findings
    assert {each.version: each.rows for each in findings} == {
        version: len(values) for version, values in expected.items()
    }
    for each in findings:
        assert each.mean == pytest.approx(sum(expected[each.version]) / each.rows)


def test_a_correction_replaces_what_was_received_before(place: ExperimentPlace) -> None:
    place.compare(replace(DESIGN, metric=ExperimentMetric.TRUTH, greater_is_better=True))
    results = place.send(20, labelled=False)
    for actual in (0.0, 1.0):
        truths = [GroundTruth(prediction_id=each.ids[0], actual=actual, at=place.clock()) for each in results]
        place.made.log.add_ground_truth(truths)
        place.run()
        assert {each.mean for each in place.experiment.findings} == {actual}


def test_an_experiment_ends_with_a_verdict_on_each_version(
    place: ExperimentPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_predictions(monkeypatch, place, THIRD_VERSION)
    place.compare()
    place.compare_until(lambda experiment: experiment.has_ended)
    experiment = place.experiment
    assert experiment.state is ExperimentState.FINISHED
    assert [each.verdict for each in experiment.findings] == [None, ArmVerdict.WITHIN, ArmVerdict.WORSE]
    assert "version 3: worse" in experiment.events[-1].reason
    place.run()
    assert set(count_routes(place)) == {(CHAMPION_VERSION, Purpose.ANSWER)}


def test_a_bandit_leaves_a_bad_version(place: ExperimentPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_predictions(monkeypatch, place, CHALLENGER_VERSION)
    place.compare(replace(DESIGN, bandit=Bandit.THOMPSON, min_share=0.1, adapt_hours=1, minimum_effect=0.001))
    place.send(400)
    place.run(HOUR)
    changed = place.experiment.phases[-1]
    assert changed.since == place.clock() + LEAD_SECONDS
    assert changed.shares[CHALLENGER_VERSION] == pytest.approx(0.1)
    before = count_routes(place)
    place.run(LEAD_SECONDS)
    after = count_routes(place)
    assert before[CHALLENGER_VERSION, Purpose.CANARY] / 1000 == pytest.approx(0.3, abs=0.05)
    assert after[CHALLENGER_VERSION, Purpose.CANARY] / 1000 == pytest.approx(0.1, abs=0.03)
    place.send(100)
    place.run()
    assert sum(each.rows for each in place.experiment.findings) == 500


def test_ground_truth_after_the_end_counts_for_some_time(place: ExperimentPlace) -> None:
    place.compare()
    results = place.send(40, labelled=False)
    place.run()
    change_experiment(place.plans, MODEL, lambda newest: stop_experiment(newest, "bob", place.clock()))
    place.send(10)
    for hours, number in ((1, 20), (2, 40)):
        place.made.log.add_ground_truth([place.draw_truth(each) for each in results[:number]])
        place.run(hours * HOUR)
        assert sum(each.rows for each in place.experiment.findings) == 20
    assert place.experiment.state is ExperimentState.STOPPED


def test_the_time_is_over_at_the_deadline(place: ExperimentPlace) -> None:
    place.compare(replace(DESIGN, max_hours=1000))
    place.run(1000 * HOUR - JUDGE_SECONDS)
    place.run(JUDGE_SECONDS / 2)
    assert place.experiment.state is ExperimentState.RUNNING
    # evaluations become rarer, and the end does not wait for one
    place.run(JUDGE_SECONDS / 2)
    assert (place.experiment.state, place.experiment.events[-1].reason) == ("finished", "1000 h are over")


def test_another_champion_stops_it(place: ExperimentPlace) -> None:
    place.compare()
    place.history.set_champion(MODEL, THIRD_VERSION, "by hand", "bob")
    place.run()
    place.run()
    assert place.experiment.state is ExperimentState.STOPPED
    assert place.experiment.events[-1].reason == "version 3 became champion by another decision"


def test_a_model_has_one_plan_at_a_time(place: ExperimentPlace) -> None:
    place.compare()
    with pytest.raises(RolloutError, match="an experiment with versions 1, 2, 3 is running"):
        place.start()
    with pytest.raises(RolloutError, match=f"servicio-ml experiment {MODEL} stop"):
        place.compare()
    change_experiment(place.plans, MODEL, lambda newest: stop_experiment(newest, "bob", place.clock()))
    begin_rollout(place.plans, MODEL, (1, 2), Ramp(), "ann", place.clock())
    with pytest.raises(RolloutError, match="the rollout of version 2 is ramping"):
        place.compare()
    with pytest.raises(RolloutError, match="a rollout, and no experiment since"):
        change_experiment(place.plans, MODEL, lambda newest: stop_experiment(newest, "bob", 1.0))


def test_one_worker_judges(place: ExperimentPlace) -> None:
    place.cycles.append(place.build_cycle())
    place.compare()
    place.send(20)
    place.run()
    seen = place.experiment
    place.cycles[1].run()
    assert place.experiment == seen


def test_a_replica_whose_clock_was_ahead_holds_up_no_evaluation(place: ExperimentPlace) -> None:
    place.compare()
    ahead = place.clock() + HOUR
    change_experiment(place.plans, MODEL, lambda newest: replace(newest, judged_at=ahead))
    place.send(20)
    place.run()
    assert place.experiment.judged_at == place.clock()
    assert sum(each.rows for each in place.experiment.findings) == 20
