"""Retention deletes what is old and nothing that a model in use, or a young one, was trained on."""

import json
from pathlib import Path

import pytest

from fakes.registry import MemoryRegistry
from fakes.tracker import MemoryTracker
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import StoreError
from servicio_ml.lifecycle.reports import LatestReport, build_latest_key
from servicio_ml.pipeline.retention import PruneResult, RetentionPolicy, prune
from small_use_case import KNN, build_use_case
from training_fixture import TrainingFixture

DAY = 86_400.0
NOW = 1_700_000_000.0
USE_CASE = build_use_case(Task.BINARY, KNN)
NOTHING = PruneResult(periods=[], staging=[], reports=[], versions=[], runs=0)


class RetentionScenario:
    """Training ports with a clock that a test sets."""

    def __init__(self, folder: Path) -> None:
        self.place, self.now = TrainingFixture(folder), NOW
        self.place.tracker = MemoryTracker(folder / "old runs", lambda: self.now)
        self.place.registry = MemoryRegistry(folder / "old models", lambda: self.now)

    def publish_period(self, period: str, seed: int) -> None:
        made = self.place.publish(Task.BINARY, period=period, seed=seed, count=40)
        raw = self.place.folder / "raw.csv"
        raw.write_text(period)
        self.place.store.put(made.raw, raw)

    def register_version(self, artifact: Path, period: str, *aliases: str, days_ago: float) -> int:
        """A version with its training, its trial and the ETL of its data."""
        self.now = NOW - days_ago * DAY
        tracker, registry = self.place.tracker, self.place.registry
        with tracker.open_run("small", "etl", tags={"step": "etl"}) as etl:
            etl.log_params({"data_digest": f"digest {period}"})
        with tracker.open_run("small", "train", tags={"step": "train"}) as parent:
            tags = {"train_run": parent.id, "period": period, "data_digest": f"digest {period}"}
        with tracker.open_run("small", "trial", tags={"step": "trial", "train_run": parent.id}):
            pass
        with tracker.open_run("small", "fit", tags={"step": "fit", "train_run": parent.id}) as fit:
            made = registry.register("small", artifact, run_id=fit.id, tags=tags)
        for alias in aliases:
            registry.set_alias("small", alias, made.version)
        return made.version

    def record_promotion(self, version: int, days_ago: float) -> None:
        self.now = NOW - days_ago * DAY
        tags = {
            "step": "promotion", "decision": "promoted", "reason": "", "challenger": str(version),
            "champion": "", "by": "tester", "at": repr(self.now),
        }  # fmt: skip
        with self.place.tracker.open_run("small", "promoted", tags=tags):
            pass

    def write_report(self, *, days_ago: float, latest: bool = True) -> str:
        """The folder of a report, which the pointer names unless its run ended before."""
        pointer = LatestReport.build("small", 1, NOW - days_ago * DAY)
        path = self.place.folder / "latest.json"
        path.write_text(json.dumps(pointer.to_json()))
        for key in (pointer.html, pointer.json, *([build_latest_key("small")] if latest else [])):
            self.place.store.put(key, path)
        return pointer.html.rpartition("/")[0]

    def prune(self, *, periods: int = 1, days: float = 100) -> PruneResult:
        retention = RetentionPolicy(periods=periods, seconds=days * DAY, now=NOW)
        return prune(USE_CASE, self.place.store, self.place.tracker, self.place.registry, retention)

    def list_runs(self, step: str) -> int:
        return len(self.place.tracker.find_runs("small", {"step": step}))


@pytest.fixture
def years(tmp_path: Path) -> RetentionScenario:
    return RetentionScenario(tmp_path)


def test_old_periods_go_with_their_files_and_raw_copies(years: RetentionScenario) -> None:
    for seed, period in enumerate(("2020-01", "2020-02", "2020-03")):
        years.publish_period(period, seed)
    assert years.prune(periods=2).periods == ["2020-01"]
    keys = years.place.store.list_keys("small/")
    assert not [key for key in keys if "/2020-01/" in key]
    assert {key.split("/")[1] for key in keys} >= {"2020-02", "2020-03"}
    assert years.prune(periods=2) == NOTHING


def test_a_raw_copy_that_a_kept_period_shares_stays(years: RetentionScenario) -> None:
    for seed, period in enumerate(("2020-01", "2020-02")):
        years.publish_period(period, seed)
    raw = [key for key in years.place.store.list_keys("small/") if key.split("/")[1] == "raw"]
    assert len(raw) == 1
    years.prune()
    assert [key for key in years.place.store.list_keys("small/") if key in raw] == raw


@pytest.mark.parametrize("alias", ["champion", "challenger", "knn"])
def test_what_a_model_in_use_was_trained_on_stays(
    years: RetentionScenario, artifact_folder: Path, alias: str
) -> None:
    for seed, period in enumerate(("2019-01", "2019-02", "2020-01")):
        years.publish_period(period, seed)
    years.register_version(artifact_folder, "2019-01", alias, days_ago=900)
    gone = years.register_version(artifact_folder, "2019-02", days_ago=900)
    found = years.prune()
    assert (found.periods, found.versions, found.runs) == (["2019-02"], [gone], 4)
    assert [years.list_runs(step) for step in ("etl", "train", "trial", "fit")] == [1, 1, 1, 1]


def test_a_young_version_stays_with_its_data_and_runs(
    years: RetentionScenario, artifact_folder: Path
) -> None:
    for seed, period in enumerate(("2019-01", "2020-01")):
        years.publish_period(period, seed)
    years.register_version(artifact_folder, "2019-01", days_ago=99)
    assert years.prune() == NOTHING
    found = years.prune(days=98)
    assert (found.periods, found.versions, found.runs) == (["2019-01"], [1], 4)


def test_the_champion_before_and_every_decision_stay(years: RetentionScenario, artifact_folder: Path) -> None:
    first, second, third = (
        years.register_version(artifact_folder, "2019-01", days_ago=900) for _ in range(3)
    )
    for version, days_ago in ((first, 800), (second, 700), (third, 600)):
        years.record_promotion(version, days_ago)
    years.place.registry.set_alias("small", "champion", third)
    assert years.prune().versions == [first]
    assert years.list_runs("promotion") == 3


@pytest.mark.parametrize(("hours", "gone"), [(47, False), (49, True), (None, True)], ids=str)
def test_what_steps_left_behind_goes_after_two_days(
    years: RetentionScenario,
    hours: float | None,
    gone: bool,  # noqa: FBT001  parametrised
) -> None:
    folder, path = "small/staging/abc", years.place.folder / "started.json"
    path.write_text(json.dumps({"at": NOW - 3600 * (hours or 0)}))
    years.place.store.put(f"{folder}/raw.csv", path)
    if hours is not None:
        years.place.store.put(f"{folder}/started.json", path)
    assert years.prune().staging == ([folder] if gone else [])
    assert bool(years.place.store.list_keys(f"{folder}/")) != gone


def test_old_reports_go_but_for_the_latest(years: RetentionScenario) -> None:
    old, older, young = (years.write_report(days_ago=each) for each in (101, 900, 99))
    keys = years.place.store.list_keys
    assert years.prune().reports == [older, old]
    assert keys("small/reports/") == [
        f"{young}/report.html",
        f"{young}/report.json",
        build_latest_key("small"),
    ]
    assert years.prune() == NOTHING
    assert years.prune(days=10**6) == NOTHING
    assert years.prune(days=1) == NOTHING


def test_the_latest_report_is_that_of_the_pointer(years: RetentionScenario) -> None:
    shown = years.write_report(days_ago=300)
    unfinished = years.write_report(days_ago=200, latest=False)
    assert years.prune().reports == [unfinished]
    assert years.place.store.list_keys(f"{shown}/")


def test_no_report_goes_while_the_pointer_cannot_be_read(years: RetentionScenario) -> None:
    folder, path = years.write_report(days_ago=900), years.place.folder / "damaged"
    path.write_text("{")
    years.place.store.put(build_latest_key("small"), path)
    with pytest.raises(StoreError, match="servicio-ml report small"):
        years.prune()
    assert years.place.store.list_keys(f"{folder}/")
