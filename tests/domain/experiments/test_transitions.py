"""Experiments: start, stop, ends by evidence, and shares that a bandit changes."""

from dataclasses import replace

import pytest

from servicio_ml.domain.experiments.design import Bandit, ExperimentDesign, ExperimentMetric
from servicio_ml.domain.experiments.effects import ArmVerdict
from servicio_ml.domain.experiments.experiment import Experiment, ExperimentState
from servicio_ml.domain.experiments.outcome_sums import OutcomeSums, OutcomeTable
from servicio_ml.domain.experiments.transitions import (
    describe_finding,
    judge_experiment,
    needs_evaluation,
    start_experiment,
    stop_experiment,
    stop_superseded,
)
from servicio_ml.domain.rollout.traffic import VersionShares
from servicio_ml.errors import RolloutError

NOW, LEAD, HOUR = 1_600_000_000.0, 10.0, 3600.0
DESIGN = ExperimentDesign(
    shares={4: 0.25, 5: 0.25}, metric=ExperimentMetric.ERROR, minimum_effect=0.05, max_hours=100
)
BANDIT = replace(DESIGN, bandit=Bandit.THOMPSON)


def start(design: ExperimentDesign = DESIGN) -> Experiment:
    return start_experiment("rain", "a", 3, design, 2, "ann", (NOW, NOW + LEAD))


def count_errors(*errors: tuple[int, int, float]) -> OutcomeTable:
    """Outcomes of one phase, from version, rows and share of errors."""
    return OutcomeTable(
        phases=[
            {
                version: OutcomeSums(rows=rows, total=rows * rate, squares=rows * rate)
                for version, rows, rate in errors
            }
        ]
    )


LATER = count_errors((3, 100, 0.2), (4, 100, 0.3), (5, 100, 0.1))
EARLY = count_errors((3, 100, 0.2), (4, 100, 0.1), (5, 100, 0.3))


def test_all_replicas_start_at_one_time() -> None:
    experiment = start()
    assert experiment.traffic == VersionShares(
        later={4: 0.25, 5: 0.25}, since=NOW + LEAD, marks_champion=True
    )
    assert experiment.traffic.get_shares(NOW + 9) == {}
    assert experiment.events[0].reason == "version 4 25%, version 5 25%, version 3 50%"
    assert [experiment.find_phase(NOW + at) for at in (9, 10, 99)] == [None, 0, 0]


def test_a_start_that_cannot_be_is_refused() -> None:
    with pytest.raises(RolloutError, match="version 4 is the champion, which gets the rest"):
        start_experiment("rain", "a", 4, DESIGN, 2, "ann", (NOW, NOW))
    with pytest.raises(RolloutError, match="a number; use loss"):
        start_experiment("rain", "a", 3, DESIGN, 0, "ann", (NOW, NOW))


def test_a_stopped_experiment_has_no_traffic_and_is_stopped_once() -> None:
    stopped = stop_experiment(start(), "bob", NOW + 60, "enough")
    assert stopped.state is ExperimentState.STOPPED
    assert stopped.traffic == VersionShares()
    assert (stopped.ended_at, stopped.events[-1].reason) == (NOW + 60, "stopped: enough")
    with pytest.raises(RolloutError, match="the experiment is stopped; only a running one"):
        stop_experiment(stopped, "bob", NOW + 61)


def test_another_champion_stops_it() -> None:
    stopped = stop_superseded(start(), 7, NOW + 60)
    assert stopped.state is ExperimentState.STOPPED
    assert "version 7 became champion" in stopped.events[-1].reason


def test_open_evidence_changes_nothing() -> None:
    experiment = judge_experiment(start(), EARLY, NOW + HOUR, LEAD)
    assert experiment.state is ExperimentState.RUNNING
    assert experiment.judged_at == NOW + HOUR
    assert [each.rows for each in experiment.findings] == [100, 100, 100]
    assert describe_finding(experiment.findings[1]) == "version 4: too few rows"
    assert replace(experiment, judged_at=0, findings=()) == start()


def test_a_verdict_on_each_version_ends_it() -> None:
    outcomes = count_errors((3, 9000, 0.2), (4, 9000, 0.1), (5, 9000, 0.3))
    experiment = judge_experiment(start(), outcomes, NOW + HOUR, LEAD)
    assert experiment.state is ExperimentState.FINISHED
    assert [each.verdict for each in experiment.findings] == [None, ArmVerdict.BETTER, ArmVerdict.WORSE]
    assert experiment.events[-1].reason.startswith("version 4: better, improvement +0.1 [+0.08")
    assert [experiment.has_rejected(each) for each in (3, 4, 5)] == [False, False, True]
    one_open = count_errors((3, 9000, 0.2), (4, 9000, 0.1), (5, 100, 0.3))
    assert not judge_experiment(start(), one_open, NOW + HOUR, LEAD).has_ended


def test_time_and_rows_end_it() -> None:
    late = judge_experiment(start(), EARLY, NOW + LEAD + 100 * HOUR, LEAD)
    assert (late.state, late.events[-1].reason) == (ExperimentState.FINISHED, "100 h are over")
    limited = start(replace(DESIGN, max_rows=300))
    full = judge_experiment(limited, EARLY, NOW + HOUR, LEAD)
    assert full.events[-1].reason == "300 rows have ground truth, of 300 at most"


def test_ground_truth_counts_for_some_time_after_the_end() -> None:
    stopped = stop_experiment(start(replace(DESIGN, label_hours=2)), "bob", NOW + HOUR)
    assert needs_evaluation(stopped, NOW + 2.9 * HOUR)
    assert not needs_evaluation(stopped, NOW + 3 * HOUR)
    later = judge_experiment(stopped, EARLY, NOW + 2 * HOUR, LEAD)
    assert (later.state, later.events) == (ExperimentState.STOPPED, stopped.events)
    assert later.findings[1].rows == 100


def test_a_bandit_moves_the_clients_to_the_better_version_at_one_time() -> None:
    experiment = judge_experiment(start(BANDIT), EARLY, NOW + LEAD + HOUR, LEAD)
    first, second = experiment.phases
    assert first.shares == {4: 0.25, 5: 0.25}
    assert second.since == NOW + HOUR + 2 * LEAD
    assert second.shares[4] > 0.85
    assert second.shares[5] == pytest.approx(0.05, abs=0.01)
    assert experiment.traffic.get_shares(second.since - 1) == first.shares
    assert experiment.traffic.get_shares(second.since) == second.shares
    assert experiment.find_phase(second.since) == 1


def test_a_bandit_waits_between_two_changes_and_draws_the_same_again() -> None:
    assert len(judge_experiment(start(BANDIT), EARLY, NOW + HOUR, LEAD).phases) == 1
    again = [judge_experiment(start(BANDIT), EARLY, NOW + 2 * HOUR, LEAD) for _ in range(2)]
    assert again[0] == again[1]
    changed = again[0].phases[-1]
    early = judge_experiment(again[0], EARLY, changed.since + HOUR - 1, LEAD)
    same = judge_experiment(again[0], EARLY, changed.since + HOUR, LEAD)
    other = judge_experiment(again[0], LATER, changed.since + HOUR, LEAD)
    assert [len(each.phases) for each in (early, same, other)] == [2, 2, 3]
