"""Steps in processes of their own leave what one process leaves, and may be killed and run again."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from orchard import HEADER, apples, orchard, row, write_csv
from problems import KNN, LIGHTGBM, small
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.memory import MemoryTracker
from servicio_ml.adapters.memory_lake import MemoryObjectStore
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.promotion import Decision
from servicio_ml.domain.published import read_manifest
from servicio_ml.domain.succession import carry_out, decision_about, decisions
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import NotPublishedError, StoreError, TrainingError
from servicio_ml.pipeline import etl_steps
from servicio_ml.pipeline.etl import Job, run_etl
from servicio_ml.pipeline.finish import Finished, finish
from servicio_ml.pipeline.promote import judge_once
from servicio_ml.pipeline.publish import read_part
from servicio_ml.pipeline.record import World
from servicio_ml.pipeline.train import (
    Tuned,
    challenger_of,
    close,
    export,
    give_up,
    refine,
    select,
    table,
    train,
    tune_one,
)
from servicio_ml.pipeline.training import Plan, Training, begin, opened
from stores import FullStore
from worlds import Place

ROWS, PERIOD = 120, "2020-12"
USE_CASE = small(Task.BINARY, LIGHTGBM, KNN)


class Steps:
    """The steps of an ETL over one lake, each with a folder of its own."""

    def __init__(self, folder: Path, store: MemoryObjectStore | None = None) -> None:
        self.folder, self.count = folder, 0
        self.store = store or MemoryObjectStore()
        self.tracker = MemoryTracker(folder / "runs", clock=lambda: 0.0)
        self.now = 1000.0

    def job(self, period: str = PERIOD) -> Job:
        self.count += 1
        place = self.folder / str(self.count)
        place.mkdir(parents=True)
        return Job(
            use_case=orchard(), period=period, store=self.store, progress=SilentProgress(), folder=place
        )

    def clock(self) -> float:
        return self.now

    def source(self, rows: list[tuple[str, ...]]) -> Path:
        return write_csv(self.folder / "a.csv", rows, HEADER)

    def prepare(self, rows: list[tuple[str, ...]], period: str = PERIOD) -> str:
        raw = etl_steps.extract(self.job(period), self.source(rows), "my file", self.clock)
        staged, _ = etl_steps.transform(self.job(period), raw, "my file")
        return etl_steps.split(self.job(period), staged)[0]

    def publish(self, prepared: str, period: str = PERIOD) -> etl_steps.Published:
        return etl_steps.publish(self.job(period), prepared, self.tracker, self.clock)

    def staging(self) -> list[str]:
        return list(self.store.keys("orchard/staging/"))


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(tmp_path)


def _whole(folder: Path, rows: list[tuple[str, ...]]) -> tuple[MemoryObjectStore, MemoryTracker]:
    folder.mkdir()
    store, tracker = MemoryObjectStore(), MemoryTracker(folder / "runs", clock=lambda: 0.0)
    run_etl(
        orchard(), write_csv(folder / "a.csv", rows, HEADER), named="my file", period=PERIOD, store=store,
        connect=lambda: tracker, progress=SilentProgress(), stats=NoStats(),
    )  # fmt: skip
    return store, tracker


def test_the_steps_of_the_etl_publish_what_one_process_publishes(steps: Steps, tmp_path: Path) -> None:
    rows = [*apples(ROWS), row(Seeds="x"), row(Ripe="")]
    steps.now = 1000.0
    prepared = steps.prepare(rows)
    steps.now = 1060.0
    published = steps.publish(prepared)
    store, tracker = _whole(tmp_path / "whole", rows)
    assert published.manifest == read_manifest(store, "orchard")
    assert published.seconds == 60
    assert list(steps.store.keys("")) == list(store.keys(""))
    for part in ("train", "test"):
        assert read_part(steps.store, published.manifest, part).equals(
            read_part(store, published.manifest, part)
        )
    told = published.manifest.files["overview"]
    assert steps.store.fetch(told).read_bytes() == store.fetch(told).read_bytes()
    (mine,), (other,) = steps.tracker.every, tracker.every
    assert mine.status == other.status == "FINISHED"
    assert mine.logged_metrics == other.logged_metrics
    assert mine.logged_params == other.logged_params
    assert mine.datasets == other.datasets
    for name in ("profile.csv", "manifest.json"):
        assert (mine.folder / name).read_text() == (other.folder / name).read_text()


def test_nothing_is_seen_before_it_is_published(steps: Steps) -> None:
    steps.prepare(apples(ROWS))
    with pytest.raises(NotPublishedError):
        read_manifest(steps.store, "orchard")
    assert all(key.startswith("orchard/staging/") for key in steps.store.keys(""))
    assert steps.tracker.every == []


def test_every_step_of_the_etl_may_run_twice(steps: Steps) -> None:
    first = steps.prepare(apples(ROWS))
    before = steps.staging()
    assert steps.prepare(apples(ROWS)) == first
    assert steps.staging() == before
    published = steps.publish(first)
    assert steps.staging() == []
    again = steps.publish(first)
    assert (again.manifest, again.seconds) == (published.manifest, None)
    assert len(steps.tracker.every) == 1


@pytest.mark.parametrize("allowed", range(5))
def test_a_publication_that_is_cut_off_is_finished_by_the_next(tmp_path: Path, allowed: int) -> None:
    store = FullStore()
    steps = Steps(tmp_path, store)
    before = steps.publish(steps.prepare(apples(60))).manifest
    prepared = steps.prepare([*apples(ROWS), row(Seeds="x")])
    store.left = allowed
    with pytest.raises(StoreError, match="disk is full"):
        steps.publish(prepared)
    assert read_manifest(store, "orchard") == before
    store.left = 10**6
    after = steps.publish(prepared).manifest
    assert read_manifest(store, "orchard") == after
    assert len(read_part(store, after, "train")) == after.counts.train
    assert [run.status for run in steps.tracker.every] == ["FINISHED", "FINISHED"]
    assert steps.staging() == []


def test_a_sweep_that_is_cut_off_is_finished_by_the_next(steps: Steps) -> None:
    prepared = steps.prepare(apples(ROWS))
    left = steps.staging()
    copies = {key: steps.store.fetch(key) for key in left}
    steps.publish(prepared)
    for key, path in copies.items():
        if not prepared.endswith(key):
            steps.store.put(key, path)
    assert steps.staging()
    assert steps.publish(prepared).seconds is None
    assert steps.staging() == []
    assert len(steps.tracker.every) == 1


def test_a_run_that_was_logged_whole_is_not_logged_again(steps: Steps) -> None:
    prepared = steps.prepare(apples(ROWS))
    copies = {key: steps.store.fetch(key) for key in steps.staging()}
    steps.publish(prepared)
    for key, path in copies.items():
        steps.store.put(key, path)
    assert steps.publish(prepared).seconds is None
    assert (len(steps.tracker.every), steps.staging()) == (1, [])


def test_periods_of_one_file_do_not_disturb_each_other(steps: Steps) -> None:
    early, late = (steps.prepare(apples(ROWS), period) for period in ("2020-06", "2020-12"))
    steps.publish(early, "2020-06")
    steps.publish(late, "2020-12")
    assert read_manifest(steps.store, "orchard", "2020-06").counts.later > 0
    assert read_manifest(steps.store, "orchard", "2020-12").counts.later == 0
    assert steps.staging() == []


def test_what_is_gone_and_was_never_published_is_told(steps: Steps) -> None:
    prepared = steps.prepare(apples(ROWS))
    steps.publish(steps.prepare(apples(60)))
    for key in steps.staging():
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
def test_only_what_a_step_has_left_is_read(steps: Steps, uri: str) -> None:
    with pytest.raises(StoreError, match="give the URI of the step before"):
        etl_steps.key_of(steps.store, uri)


def test_a_step_of_another_period_is_refused(steps: Steps) -> None:
    with pytest.raises(StoreError, match="of the period 2020-12, not 2020-11"):
        steps.publish(steps.prepare(apples(ROWS)), "2020-11")


class Work:
    """The steps of a training over one world, each with its own view of it."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder)
        self.made: Manifest = self.place.publish(Task.BINARY)
        self.plan = Plan(candidates=USE_CASE.candidates, trials=2, seconds=600, threads=1)
        begun = begin(USE_CASE, self.made, self.plan, self.place.world)
        assert begun.new
        self.run_id = begun.run_id

    @property
    def world(self) -> World:
        return self.place.world

    def step(self, work: Callable[[Training], Any]) -> Any:
        with opened(USE_CASE, self.run_id, self.world, 1) as training:
            return work(training)

    def tune(self, name: str) -> Tuned:
        found: Tuned = self.step(lambda training: tune_one(training, name))
        return found

    def trained(self) -> list[dict[str, Any]]:
        for candidate in USE_CASE.candidates:
            self.tune(candidate.name)
        for each in (select, refine, export):
            self.step(each)
        rows: list[dict[str, Any]] = self.step(table)
        return rows

    def fits(self) -> list[str]:
        return [run.id for run in self.place.tracker.runs("small", {"step": "fit"})]

    def versions(self) -> list[int]:
        return [each.version for each in self.place.registry.versions("small")]


@pytest.fixture
def work(tmp_path: Path) -> Work:
    (tmp_path / "steps").mkdir()
    return Work(tmp_path / "steps")


def _without_times(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "latency_seconds"} for row in rows]


def test_the_steps_of_a_training_leave_what_one_process_leaves(work: Work, tmp_path: Path) -> None:
    rows = work.trained()
    assert work.place.tracker.find(work.run_id).status == "RUNNING"
    assert close(USE_CASE, work.run_id, work.world)
    (tmp_path / "whole").mkdir()
    other = Place(tmp_path / "whole")
    made = other.publish(Task.BINARY)
    whole = train(USE_CASE, made, work.plan, other.world)
    assert _without_times(rows) == _without_times(whole.table)
    assert whole.challenger is not None
    challenger = work.place.registry.resolve("small", "challenger")
    assert challenger is not None
    assert challenger.version == whole.challenger.version
    mine, theirs = (
        tracker.find(run_id)
        for tracker, run_id in ((work.place.tracker, work.run_id), (other.tracker, whole.run_id))
    )
    assert (mine.status, mine.params, mine.metrics) == (theirs.status, theirs.params, theirs.metrics)
    assert {run.name for run in work.place.memory.every} == {run.name for run in other.memory.every}


def test_every_step_of_a_training_may_run_twice(work: Work) -> None:
    first = work.trained()
    before = (work.versions(), len(work.place.memory.every))
    assert work.trained() == first
    assert (work.versions(), len(work.place.memory.every)) == before
    assert begin(USE_CASE, work.made, work.plan, work.world).run_id == work.run_id
    assert close(USE_CASE, work.run_id, work.world, "promoted")
    assert not close(USE_CASE, work.run_id, work.world, "rejected")
    found = work.place.tracker.find(work.run_id)
    assert (found.status, found.tags["decision"]) == ("FINISHED", "promoted")
    # a late repetition neither opens the run again nor moves the alias back
    work.place.registry.point("small", "challenger", 1)
    assert work.trained() == first
    assert work.place.tracker.find(work.run_id).status == "FINISHED"
    again = begin(USE_CASE, work.made, work.plan, work.world)
    assert (again.run_id, again.new) == (work.run_id, False)


def test_a_step_that_dies_after_registering_registers_no_second_time(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Training, "keep", killed)
        with pytest.raises(KeyboardInterrupt):
            work.tune("knn")
    assert work.versions() == [1]
    found = work.tune("knn")
    assert (found.standing.version, found.trials) == (1, 2)
    assert work.versions() == [1]


def test_two_processes_that_fit_the_same_candidate_register_one_version(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[Tuned] = []

    def slow(*args: Any) -> Finished:
        """While this process fits, another one does it all."""
        monkeypatch.setattr("servicio_ml.pipeline.train.finish", finish)
        others.append(work.tune("knn"))
        return finish(*args)

    monkeypatch.setattr("servicio_ml.pipeline.train.finish", slow)
    mine = work.tune("knn")
    assert [mine] == others
    assert (mine.standing.version, work.versions(), len(work.fits())) == (1, [1], 1)
    assert mine.trials == 2


def test_what_a_killed_fit_left_is_deleted_at_the_end(work: Work) -> None:
    tags = {"step": "fit", "candidate": "knn", "stage": "tuned", "train_run": work.run_id}
    with work.place.tracker.run("small", "fit knn", tags=tags, stays=True) as killed:
        pass
    work.trained()
    assert killed.id in work.fits()
    close(USE_CASE, work.run_id, work.world)
    assert killed.id not in work.fits()
    assert len(work.fits()) >= 2


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (select, "lightgbm, knn: not tuned in run .*; run step tune"),
        (refine, "has no winner; run step select"),
        (export, "has no winner; run step select"),
        (challenger_of, "has no challenger; run step export"),
        (lambda training: tune_one(training, "svm"), "no candidate 'svm'; candidates are lightgbm, knn"),
    ],
    ids=["select", "refine", "export", "judge", "tune"],
)
def test_a_step_before_its_turn_names_the_one_to_run(
    work: Work, step: Callable[[Training], object], said: str
) -> None:
    with pytest.raises(TrainingError, match=said):
        work.step(step)
    assert work.place.tracker.find(work.run_id).status == "FAILED"
    assert begin(USE_CASE, work.made, work.plan, work.world).run_id == work.run_id


def test_another_run_is_no_training(work: Work) -> None:
    work.tune("knn")
    with (
        pytest.raises(TrainingError, match="is no training"),
        opened(USE_CASE, work.fits()[0], work.world, 1),
    ):
        pass


def test_a_training_that_is_given_up_may_be_gone_on_with(work: Work) -> None:
    give_up(USE_CASE, work.run_id, work.place.tracker)
    assert work.place.tracker.find(work.run_id).status == "FAILED"
    work.trained()
    close(USE_CASE, work.run_id, work.world)
    give_up(USE_CASE, work.run_id, work.place.tracker)
    assert work.place.tracker.find(work.run_id).status == "FINISHED"


def _judged(work: Work) -> Any:
    return work.step(
        lambda training: judge_once(
            USE_CASE, training.manifest, work.place.store, work.place.court, challenger_of(training)
        )
    )


def _champion(work: Work) -> int | None:
    found = work.place.registry.resolve("small", "champion")
    return found.version if found else None


def test_a_judgement_moves_nothing_and_is_made_once(work: Work) -> None:
    work.trained()
    case = _judged(work)
    assert case.dossier.decision is Decision.PROMOTED
    assert _champion(work) is None
    assert decisions("small", work.place.tracker) == []
    with pytest.raises(TrainingError, match="not carried out: promoted; run step promote"):
        decision_about("small", case.dossier.challenger, work.place.tracker)
    assert _judged(work).run_id == case.run_id
    with pytest.raises(TrainingError, match="says promoted, not rejected"):
        carry_out("small", case.run_id, work.place.court, Decision.REJECTED)
    for _ in range(2):
        done = carry_out("small", case.run_id, work.place.court, Decision.PROMOTED)
        assert (done.challenger, done.decision) == (case.dossier.challenger, Decision.PROMOTED)
    assert _champion(work) == case.dossier.challenger
    assert len(decisions("small", work.place.tracker)) == 1
    # the one that was carried out, although the challenger is champion now
    assert _judged(work).run_id == case.run_id
    assert decision_about("small", case.dossier.challenger, work.place.tracker) == "promoted"


def test_a_promotion_that_dies_after_moving_the_alias_is_finished_by_the_next(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.trained()
    case, moved = _judged(work), work.place.registry.point

    def killed(*args: Any) -> None:
        moved(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(work.place.registry, "point", killed)
        with suppress(KeyboardInterrupt):
            carry_out("small", case.run_id, work.place.court)
    assert (_champion(work), decisions("small", work.place.tracker)) == (case.dossier.challenger, [])
    carry_out("small", case.run_id, work.place.court)
    assert len(decisions("small", work.place.tracker)) == 1


def test_another_champion_since_the_judgement_is_judged_against_anew(work: Work) -> None:
    work.trained()
    case = _judged(work)
    other = next(version for version in work.versions() if version != case.dossier.challenger)
    work.place.registry.point("small", "champion", other)
    with pytest.raises(TrainingError, match=f"version {other} became champion after the judgement"):
        carry_out("small", case.run_id, work.place.court)
    assert _champion(work) == other
    again = _judged(work)
    assert (again.run_id != case.run_id, again.dossier.champion) == (True, other)
