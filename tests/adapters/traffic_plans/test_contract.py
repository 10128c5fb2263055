"""What every store of traffic plans does: in memory, in SQLite and in PostgreSQL."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.traffic_plans import MemoryTrafficPlans
from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase
from servicio_ml.adapters.prediction_log.sqlite_files import get_decisions_path
from servicio_ml.adapters.traffic_plans.postgres import PostgresPlanDatabase
from servicio_ml.adapters.traffic_plans.sqlite import SqlitePlanDatabase
from servicio_ml.adapters.traffic_plans.store import SqlTrafficPlans
from servicio_ml.domain.experiments.design import Bandit, ExperimentDesign, ExperimentMetric
from servicio_ml.domain.experiments.outcome_sums import OutcomeSums, OutcomeTable
from servicio_ml.domain.experiments.transitions import judge_experiment, start_experiment
from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.domain.rollout.guardrails import ArmCounts, judge_guardrails
from servicio_ml.domain.rollout.paired_sums import PairedSums, sum_pairs
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.rollout.rollout import Rollout
from servicio_ml.domain.rollout.traffic_plan import TrafficPlan
from servicio_ml.domain.rollout.transitions import abort_rollout, judge_rollout, start_rollout
from servicio_ml.errors import LogError, RolloutError

NOW = 1_600_000_000.5
SUMS = sum_pairs([(0.5, 0.25), (1 / 3, 0.1)])
COUNTS = ArmCounts(rows=7, failed=1, timed=3, slower=2, expected_loss=SUMS, scores=(SUMS, SUMS))
OpenStore = Callable[[], TrafficPlanStore]


def open_in_memory(_folder: Path, _request: pytest.FixtureRequest) -> OpenStore:
    made = MemoryTrafficPlans()
    return lambda: made


def open_in_sqlite(folder: Path, _request: pytest.FixtureRequest) -> OpenStore:
    return lambda: SqlTrafficPlans(SqlitePlanDatabase(folder))


def open_in_postgres(_folder: Path, request: pytest.FixtureRequest) -> OpenStore:
    url = request.getfixturevalue("database")

    def open_store() -> TrafficPlanStore:
        database = LogDatabase(url)
        request.addfinalizer(database.close)
        return SqlTrafficPlans(PostgresPlanDatabase(database))

    return open_store


@pytest.fixture(
    params=[
        pytest.param(open_in_memory, id="memory"),
        pytest.param(open_in_sqlite, id="sqlite"),
        pytest.param(open_in_postgres, id="postgres", marks=pytest.mark.slow),
    ]
)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens the store, as another process would."""
    made: OpenStore = request.param(tmp_path, request)
    return made


def build_plan(identifier: str = "a", model: str = "rain") -> Rollout:
    ramp = Ramp(steps=(0.5, 1.0), watch_hours=1 / 3)
    return start_rollout(model, identifier, (3, 4), ramp, "ann %s ?", NOW)


def test_a_plan_is_read_as_it_was_written(opened: OpenStore) -> None:
    findings = judge_guardrails(Ramp(), PairedSums(), COUNTS)
    plan = judge_rollout(build_plan(), findings, 7, NOW + 1, 2.0)
    opened().change("rain", lambda _: plan)
    assert opened().load("rain") == [plan]
    assert opened().load("wind") == []


def test_an_experiment_is_read_as_it_was_written(opened: OpenStore) -> None:
    opened().change("rain", lambda _: abort_rollout(build_plan(), "bob", NOW))
    design = ExperimentDesign(
        shares={4: 0.25, 5: 1 / 3}, metric=ExperimentMetric.TRUTH, greater_is_better=True,
        minimum_effect=0.01, bandit=Bandit.THOMPSON,
    )  # fmt: skip
    times = (NOW, NOW + 1)
    started = opened().change("rain", lambda _: start_experiment("rain", "b", 3, design, 2, "ann", times))
    many = {
        version: OutcomeSums(rows=900, total=90.0 * version, squares=90.0 * version) for version in (3, 4)
    }
    judged = judge_experiment(started, OutcomeTable(phases=[many]), NOW + 2, 1.0)
    opened().change("rain", lambda _: judged)
    assert judged.findings[1].high is not None
    assert judged.findings[2].high is None
    assert opened().load("rain", kind="rollout") == [abort_rollout(build_plan(), "bob", NOW)]
    assert opened().load("rain", kind="experiment") == [judged]
    assert opened().load("rain", 2) == [judged, abort_rollout(build_plan(), "bob", NOW)]


def test_the_newest_plan_is_changed_and_the_others_stay(opened: OpenStore) -> None:
    store = opened()
    first = abort_rollout(store.change("rain", lambda _: build_plan()), "bob", NOW + 1)
    store.change("rain", lambda _: first)
    second = store.change("rain", lambda _: build_plan("b"))
    paused = store.change("rain", lambda newest: replace(newest or second, judged_at=NOW + 5))
    assert opened().load("rain", 5) == [paused, first]
    assert opened().load("rain") == [paused]


def test_a_refused_change_writes_nothing(opened: OpenStore) -> None:
    plan = opened().change("rain", lambda _: build_plan())

    def refuse(_: TrafficPlan | None) -> TrafficPlan:
        raise RolloutError("rain", "no")

    with pytest.raises(RolloutError, match="no"):
        opened().change("rain", refuse)
    assert opened().load("rain") == [plan]


def test_two_changes_at_once_see_each_other(opened: OpenStore) -> None:
    first = opened().change("rain", lambda _: build_plan())

    def advance(newest: TrafficPlan | None) -> Rollout:
        assert isinstance(newest, Rollout)
        return replace(newest, step=newest.step + 1)

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(lambda _: opened().change("rain", advance), range(12)))
    assert opened().load("rain") == [replace(first, step=12)]


def test_the_counts_of_all_processes_are_summed_and_each_saves_its_own_anew(opened: OpenStore) -> None:
    store = opened()
    store.save_counts("rain", "a", "one", ArmCounts(rows=1))
    store.save_counts("rain", "a", "one", COUNTS)
    store.save_counts("rain", "a", "two", ArmCounts(rows=2, scores=(SUMS,)))
    store.save_counts("rain", "b", "two", COUNTS)
    found = opened().sum_counts("rain", "a")
    assert found == ArmCounts(
        rows=9, failed=1, timed=3, slower=2, expected_loss=SUMS, scores=(SUMS + SUMS, SUMS)
    )
    assert opened().sum_counts("rain", "c") == ArmCounts()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    store = SqlTrafficPlans(SqlitePlanDatabase(tmp_path))
    get_decisions_path(tmp_path).write_bytes(b"no database at all" * 100)
    with pytest.raises(LogError, match="decisions"):
        store.load("rain")
