"""ETL steps in processes of their own leave what one process leaves, and may be killed and run again."""

from pathlib import Path

import pytest

from fakes.object_store import MemoryObjectStore
from fakes.tracker import MemoryTracker
from orchard_use_case import HEADER, build_row, build_rows, build_use_case, write_csv
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.errors import NotPublishedError, StoreError
from servicio_ml.lifecycle.published import read_manifest
from servicio_ml.pipeline.etl import staged_steps as etl_steps
from servicio_ml.pipeline.etl.job import EtlJob
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.etl.run import run_etl
from servicio_ml.pipeline.etl.staging_folder import resolve_key
from stores import FullStore

ROWS, PERIOD = 120, "2020-12"


class EtlSteps:
    """The steps of an ETL over one lake, each with a folder of its own."""

    def __init__(self, folder: Path, store: MemoryObjectStore | None = None) -> None:
        self.folder, self.count = folder, 0
        self.store = store or MemoryObjectStore()
        self.tracker = MemoryTracker(folder / "runs", clock=lambda: 0.0)
        self.now = 1000.0

    def create_job(self, period: str = PERIOD) -> EtlJob:
        self.count += 1
        place = self.folder / str(self.count)
        place.mkdir(parents=True)
        return EtlJob(
            use_case=build_use_case(),
            period=period,
            store=self.store,
            progress=SilentProgress(),
            folder=place,
        )

    def read_clock(self) -> float:
        return self.now

    def write_source(self, rows: list[tuple[str, ...]]) -> Path:
        return write_csv(self.folder / "a.csv", rows, HEADER)

    def prepare(self, rows: list[tuple[str, ...]], period: str = PERIOD) -> str:
        raw = etl_steps.extract(self.create_job(period), self.write_source(rows), "my file", self.read_clock)
        staged, _ = etl_steps.transform(self.create_job(period), raw, "my file")
        return etl_steps.split(self.create_job(period), staged)[0]

    def publish(self, prepared: str, period: str = PERIOD) -> etl_steps.PublishResult:
        return etl_steps.publish(self.create_job(period), prepared, self.tracker, self.read_clock)

    def list_staging(self) -> list[str]:
        return list(self.store.list_keys("orchard/staging/"))


@pytest.fixture
def steps(tmp_path: Path) -> EtlSteps:
    return EtlSteps(tmp_path)


def _run_in_one_process(folder: Path, rows: list[tuple[str, ...]]) -> tuple[MemoryObjectStore, MemoryTracker]:
    folder.mkdir()
    store, tracker = MemoryObjectStore(), MemoryTracker(folder / "runs", clock=lambda: 0.0)
    run_etl(
        build_use_case(),
        write_csv(folder / "a.csv", rows, HEADER),
        source_name="my file",
        period=PERIOD,
        store=store,
        connect_tracker=lambda: tracker,
        progress=SilentProgress(),
        stats=NoStats(),
    )
    return store, tracker


def test_the_steps_of_the_etl_publish_what_one_process_publishes(steps: EtlSteps, tmp_path: Path) -> None:
    rows = [*build_rows(ROWS), build_row(Seeds="x"), build_row(Ripe="")]
    steps.now = 1000.0
    prepared = steps.prepare(rows)
    steps.now = 1060.0
    published = steps.publish(prepared)
    store, tracker = _run_in_one_process(tmp_path / "whole", rows)
    assert published.manifest == read_manifest(store, "orchard")
    assert published.seconds == 60
    assert list(steps.store.list_keys("")) == list(store.list_keys(""))
    for name in ("train", "test"):
        assert read_split(steps.store, published.manifest, name).equals(
            read_split(store, published.manifest, name)
        )
    overview = published.manifest.files["overview"]
    assert steps.store.fetch(overview).read_bytes() == store.fetch(overview).read_bytes()
    (mine,), (other,) = steps.tracker.all_runs, tracker.all_runs
    assert mine.status == other.status == "FINISHED"
    assert mine.logged_metrics == other.logged_metrics
    assert mine.logged_params == other.logged_params
    assert mine.datasets == other.datasets
    for name in ("profile.csv", "manifest.json"):
        assert (mine.folder / name).read_text() == (other.folder / name).read_text()


def test_nothing_is_seen_before_it_is_published(steps: EtlSteps) -> None:
    steps.prepare(build_rows(ROWS))
    with pytest.raises(NotPublishedError):
        read_manifest(steps.store, "orchard")
    assert all(key.startswith("orchard/staging/") for key in steps.store.list_keys(""))
    assert steps.tracker.all_runs == []


def test_every_step_of_the_etl_may_run_twice(steps: EtlSteps) -> None:
    first = steps.prepare(build_rows(ROWS))
    before = steps.list_staging()
    assert steps.prepare(build_rows(ROWS)) == first
    assert steps.list_staging() == before
    published = steps.publish(first)
    assert steps.list_staging() == []
    again = steps.publish(first)
    assert (again.manifest, again.seconds) == (published.manifest, None)
    assert len(steps.tracker.all_runs) == 1


@pytest.mark.parametrize("allowed", range(5))
def test_a_publication_that_is_cut_off_is_finished_by_the_next(tmp_path: Path, allowed: int) -> None:
    store = FullStore()
    steps = EtlSteps(tmp_path, store)
    before = steps.publish(steps.prepare(build_rows(60))).manifest
    prepared = steps.prepare([*build_rows(ROWS), build_row(Seeds="x")])
    store.left = allowed
    with pytest.raises(StoreError, match="disk is full"):
        steps.publish(prepared)
    assert read_manifest(store, "orchard") == before
    store.left = 10**6
    after = steps.publish(prepared).manifest
    assert read_manifest(store, "orchard") == after
    assert len(read_split(store, after, "train")) == after.counts.train
    assert [run.status for run in steps.tracker.all_runs] == ["FINISHED", "FINISHED"]
    assert steps.list_staging() == []


def test_a_sweep_that_is_cut_off_is_finished_by_the_next(steps: EtlSteps) -> None:
    prepared = steps.prepare(build_rows(ROWS))
    left = steps.list_staging()
    copies = {key: steps.store.fetch(key) for key in left}
    steps.publish(prepared)
    for key, path in copies.items():
        if not prepared.endswith(key):
            steps.store.put(key, path)
    assert steps.list_staging()
    assert steps.publish(prepared).seconds is None
    assert steps.list_staging() == []
    assert len(steps.tracker.all_runs) == 1


def test_a_run_that_was_logged_whole_is_not_logged_again(steps: EtlSteps) -> None:
    prepared = steps.prepare(build_rows(ROWS))
    copies = {key: steps.store.fetch(key) for key in steps.list_staging()}
    steps.publish(prepared)
    for key, path in copies.items():
        steps.store.put(key, path)
    assert steps.publish(prepared).seconds is None
    assert (len(steps.tracker.all_runs), steps.list_staging()) == (1, [])


def test_periods_of_one_file_do_not_disturb_each_other(steps: EtlSteps) -> None:
    early, late = (steps.prepare(build_rows(ROWS), period) for period in ("2020-06", "2020-12"))
    steps.publish(early, "2020-06")
    steps.publish(late, "2020-12")
    assert read_manifest(steps.store, "orchard", "2020-06").counts.later > 0
    assert read_manifest(steps.store, "orchard", "2020-12").counts.later == 0
    assert steps.list_staging() == []


def test_missing_data_that_was_never_published_is_reported(steps: EtlSteps) -> None:
    prepared = steps.prepare(build_rows(ROWS))
    steps.publish(steps.prepare(build_rows(60)))
    for key in steps.list_staging():
        steps.store.delete(key)
    with pytest.raises(NotPublishedError, match="from step extract on"):
        steps.publish(prepared)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://other/orchard/staging/1/prepared-1.json",
        "memory:/orchard/staging/../../secret.json",
        "memory:/orchard/2020-12/manifest.json",
    ],
    ids=["another lake", "out of it", "no staging"],
)
def test_only_what_a_step_has_left_is_read(steps: EtlSteps, uri: str) -> None:
    with pytest.raises(StoreError, match="give the URI of the step before"):
        resolve_key(steps.store, uri)


def test_a_step_of_another_period_is_refused(steps: EtlSteps) -> None:
    with pytest.raises(StoreError, match="of the period 2020-12, not 2020-11"):
        steps.publish(steps.prepare(build_rows(ROWS)), "2020-11")
