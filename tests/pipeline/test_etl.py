"""The ETL publishes whole states, counts every row, and leaves its trace in the tracker."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchard import HEADER, apples, graded, orchard, priced, row, write_csv
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.memory import MemoryTracker
from servicio_ml.adapters.memory_lake import MemoryObjectStore
from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.policy import LeakPolicy
from servicio_ml.domain.ports import ObjectStore, Run, Tracker
from servicio_ml.domain.published import read_manifest
from servicio_ml.domain.use_case import DateSplit, UseCase
from servicio_ml.errors import (
    ColumnsError,
    ContractError,
    RegistryError,
    SettingsError,
    StoreError,
)
from servicio_ml.pipeline.etl import run_etl
from servicio_ml.pipeline.publish import read_part
from servicio_ml.use_cases.catalogue import find
from stores import FullStore

ROWS = 400


class _Stats:
    """Remembers what was sent."""

    def __init__(self) -> None:
        self.sent: dict[str, float] = {}

    def count(self, name: str, value: int = 1) -> None:
        raise AssertionError(name, value)

    def gauge(self, name: str, value: float) -> None:
        self.sent[name] = value

    def timer(self, name: str) -> AbstractContextManager[None]:
        raise AssertionError(name)

    def timing(self, name: str, seconds: float) -> None:
        raise AssertionError(name, seconds)


class _Progress(SilentProgress):
    """Remembers what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


class World:
    """Everything that an ETL run touches, in memory."""

    def __init__(self, folder: Path, store: ObjectStore | None = None) -> None:
        self.folder = folder
        self.store = store or MemoryObjectStore()
        self.tracker = MemoryTracker(folder / "runs", clock=lambda: 0.0)
        self.progress, self.stats = _Progress(), _Stats()

    def etl(
        self,
        rows: list[tuple[str, ...]] | Path,
        use_case: UseCase | None = None,
        period: str = "2020-12",
        *,
        header: tuple[str, ...] = HEADER,
        tracker: Tracker | None = None,
    ) -> Manifest:
        source = rows if isinstance(rows, Path) else write_csv(self.folder / "a.csv", rows, header)
        return run_etl(
            use_case or orchard(), source, named="my file", period=period, store=self.store,
            connect=lambda: tracker or self.tracker, progress=self.progress, stats=self.stats,
        )  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("make", [orchard, priced, graded], ids=["labels", "number", "classes"])
def test_training_and_test_rows_are_published_with_types(world: World, make: Callable[[], UseCase]) -> None:
    use_case = make()
    rows = [
        (*cells[:5], f"{(i * 5 + i // 7) % 4}.5" if use_case.target.numeric else cells[5])
        for i, cells in enumerate(apples(ROWS))
    ]
    if make is graded:
        rows = [(*cells[:5], cells[5].replace("3.5", "3")) for cells in rows]
    manifest = world.etl(rows, use_case)
    train, test = (read_part(world.store, manifest, part) for part in ("train", "test"))
    assert (len(train), len(test)) == (manifest.counts.train, manifest.counts.test)
    assert len(train) + len(test) == ROWS
    assert dict(train.schema) == {
        "line": pl.Int64, "day": pl.Date, "weight": pl.Float64, "seeds": pl.Int64, "colour": pl.String,
        "sugar": pl.Float64, use_case.target.name: pl.String if use_case.target.labels else pl.Float64,
    }  # fmt: skip
    assert read_manifest(world.store, "orchard") == manifest
    assert manifest.schema == use_case.schema


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["good", "copy", "broken", "unlabelled", "later", "surplus"]), max_size=40))
def test_every_row_is_accounted_for(tmp_path_factory: pytest.TempPathFactory, kinds: list[str]) -> None:
    rows = apples(60)
    for i, kind in enumerate(kinds):
        number = str(1000 + i)
        rows.append(
            {
                "good": row(Seeds=number),
                "copy": rows[0],
                "broken": row(Seeds=number, Sugar="x"),
                "unlabelled": row(Seeds=number, Ripe="NA"),
                "later": row(Seeds=number, Day="2021-02-03"),
                "surplus": (*row(Seeds=number), "x"),
            }[kind]
        )
    world = World(tmp_path_factory.mktemp("world"))
    counts = world.etl(rows, orchard(leaks=LeakPolicy.DROP)).counts
    assert counts.read == len(rows)
    assert counts.train + counts.test == 60 + kinds.count("good")
    assert counts.duplicates == kinds.count("copy")
    assert counts.quarantined == kinds.count("broken") + kinds.count("surplus")
    assert (counts.unlabelled, counts.later) == (kinds.count("unlabelled"), kinds.count("later"))
    quarantine = pl.read_parquet(world.store.fetch(read_manifest(world.store, "orchard").files["quarantine"]))
    broken = [i + 62 for i, kind in enumerate(kinds) if kind in {"broken", "surplus"}]
    assert quarantine["line"].to_list() == broken
    assert quarantine["reason"].null_count() == 0


def test_the_run_holds_parameters_counts_profile_and_digests(world: World) -> None:
    manifest = world.etl([*apples(ROWS), row(Seeds="x"), row(Ripe="")])
    (run,) = world.tracker.every
    assert (run.experiment, run.name, run.status) == ("orchard", "etl", "FINISHED")
    assert run.logged_tags == {"step": "etl", "period": "2020-12"}
    assert run.logged_params["source"] == "my file"
    assert run.logged_params["data_digest"] == manifest.digest
    assert run.logged_params["dialect"] == "original"
    assert run.logged_metrics["rows_read"] == ROWS + 2
    assert run.logged_metrics["rows_quarantined"] == run.logged_metrics["rows_unlabelled"] == 1
    assert run.logged_metrics["missing_before_colour"] == pytest.approx(0.25, abs=0.01)
    assert run.logged_metrics["missing_after_colour"] == 0.25
    assert run.logged_metrics["mean_seeds"] == 24.5
    assert {"std_weight", "missing_before_ripe", "twins"} <= set(run.logged_metrics)
    assert [(each["name"], each["context"], each["rows"]) for each in run.datasets] == [
        ("raw", "raw", ROWS + 2),
        ("train", "training", manifest.counts.train),
        ("test", "evaluation", manifest.counts.test),
    ]
    assert run.datasets[1]["digest"].startswith(
        manifest.files["train"].split("-")[-1].removesuffix(".parquet")
    )
    assert run.datasets[0]["source"] == f"memory:/{manifest.raw}"
    assert Manifest.from_json(json.loads((run.folder / "manifest.json").read_text())) == manifest
    with (run.folder / "profile.csv").open(newline="") as file:
        assert [line["name"] for line in csv.DictReader(file)] == [*orchard().schema.field_names, "ripe"]


def test_counts_of_rows_are_sent(world: World) -> None:
    world.etl([*apples(ROWS), row(Seeds="x")])
    assert world.stats.sent["etl.orchard.rows_read"] == ROWS + 1
    assert world.stats.sent["etl.orchard.rows_quarantined"] == 1


def test_extra_columns_are_named_once_and_quarantine_is_warned_of(world: World) -> None:
    rows = [(*cells, "x") for cells in [*apples(ROWS), row(Seeds="x")]]
    world.etl(rows, header=(*HEADER, "Shoe size"))
    assert world.progress.said == ["columns that are not read: Shoe size"]
    assert world.progress.warnings == [
        "1 rows are in quarantine, mostly since seeds: 'x' is not a whole number from 0 to 20000 (1x)"
    ]


def test_an_absent_optional_column_is_dropped_with_what_is_derived_from_it(world: World) -> None:
    rows = [(*cells[:4], cells[5]) for cells in apples(ROWS)]
    manifest = world.etl(rows, header=(*HEADER[:4], HEADER[5]))
    assert manifest.dropped == {"sugar": "not in the file"}
    assert "sugar" not in manifest.schema.field_names
    assert "sugar" not in read_part(world.store, manifest, "train").columns


def test_an_optional_column_does_not_move_rows_between_sides(world: World) -> None:
    rows = apples(ROWS)
    full = read_part(world.store, world.etl(rows), "test")["line"]
    fewer = world.etl([(*cells[:4], cells[5]) for cells in rows], header=(*HEADER[:4], HEADER[5]))
    assert read_part(world.store, fewer, "test")["line"].to_list() == full.to_list()


def _leaking() -> list[tuple[str, ...]]:
    return [(*cells[:4], "20" if cells[5] == "yes" else "10", cells[5]) for cells in apples(ROWS)]


def test_a_leak_is_dropped_with_its_reason(world: World) -> None:
    manifest = world.etl(_leaking())
    assert manifest.dropped == {"sugar": "sugar >= 20 exactly when ripe is yes"}
    assert "sugar" not in read_part(world.store, manifest, "train").columns
    assert any("sugar is left out" in warning for warning in world.progress.warnings)


def test_a_leak_fails_the_run_where_the_use_case_says_so(world: World) -> None:
    with pytest.raises(ContractError, match=r"sugar >= 20 exactly when ripe is yes.*nothing was published"):
        world.etl(_leaking(), orchard(leaks=LeakPolicy.FAIL))
    assert world.store.keys("") == []
    assert [run.status for run in world.tracker.every] == ["FAILED"]


def test_a_date_that_splits_cannot_be_dropped(world: World) -> None:
    rows = [(f"2020-0{1 + 4 * (cells[5] == 'yes')}-01", *cells[1:]) for cells in apples(ROWS)]
    with pytest.raises(ContractError, match="cannot be left out"):
        world.etl(rows, orchard(split=DateSplit(field="day"), deduplicate=False))


def test_twins_are_counted_and_warned_of(world: World) -> None:
    """Copies of one row on other days are twins for a model that does not read the day itself."""
    schema = orchard().schema
    hidden = replace(schema.fields[0], direct=False)
    use_case = orchard(
        schema=type(schema)(fields=(hidden, *schema.fields[1:])), split=DateSplit(field="day", test_share=0.3)
    )
    copies = [(str(date(2020, 11, 1) + timedelta(days=i)), *apples(1)[0][1:]) for i in range(20)]
    manifest = world.etl([*apples(ROWS), *copies], use_case)
    assert manifest.twins == 20
    assert world.progress.warnings == [
        "20 test rows are equal to a training row in every field that models read"
    ]


def test_a_file_that_does_not_fit_is_told_before_the_tracker_is_asked(world: World) -> None:
    with pytest.raises(ColumnsError):
        world.etl([("x",)], header=("Name",), tracker=_BreakingTracker(world.folder / "broken", "open"))


def test_too_few_rows_to_split_is_told(world: World) -> None:
    with pytest.raises(ContractError, match=r"too few rows to split: [01] for training, [01] for testing"):
        world.etl([row()])
    assert world.store.keys("") == []


def test_a_wrong_period_is_told_before_anything_else(world: World) -> None:
    with pytest.raises(SettingsError, match="2020-13"):
        world.etl(world.folder / "none.csv", period="2020-13")


def test_the_overview_is_published_beside_the_rows(world: World) -> None:
    manifest = world.etl([*apples(ROWS), row(Seeds="x")])
    assert set(manifest.files) == {"train", "test", "quarantine", "overview"}
    told = json.loads(world.store.fetch(manifest.files["overview"]).read_text())
    assert told["rows"] == ROWS
    assert told["quarantine"]["rows"] == 1
    assert [each["name"] for each in told["columns"]] == [*orchard().schema.field_names, "ripe"]


def test_what_is_left_out_is_in_no_overview(world: World) -> None:
    manifest = world.etl(_leaking())
    told = json.loads(world.store.fetch(manifest.files["overview"]).read_text())
    assert "sugar" not in told["sample"]["names"]


def test_the_same_file_again_restates_the_same(world: World) -> None:
    first = world.etl(apples(ROWS))
    keys = list(world.store.keys(""))
    assert world.etl(apples(ROWS)) == first
    assert world.store.keys("") == keys


def test_a_rerun_restates_and_never_mixes(world: World) -> None:
    world.etl([*apples(ROWS), row(Seeds="x")])
    second = world.etl(apples(60))
    assert read_manifest(world.store, "orchard", "2020-12") == second
    assert second.counts.read == 60
    assert len(read_part(world.store, second, "train")) + len(read_part(world.store, second, "test")) == 60
    assert second.counts.quarantined == 0


def test_the_digest_follows_rows_schema_and_target(world: World) -> None:
    digests = {
        world.etl(apples(ROWS)).digest,
        world.etl(apples(ROWS - 1)).digest,
        world.etl([(*cells[:4], cells[5]) for cells in apples(ROWS)], header=(*HEADER[:4], HEADER[5])).digest,
        world.etl([*apples(ROWS), row(Ripe="")]).digest,  # what is not published does not count
    }
    assert len(digests) == 3


@pytest.mark.parametrize("allowed", range(6))
def test_a_store_that_refuses_midway_leaves_the_previous_state(tmp_path: Path, allowed: int) -> None:
    store = FullStore()
    world = World(tmp_path, store)
    before = world.etl(apples(60))
    store.left = allowed
    with pytest.raises(StoreError, match="disk is full"):
        world.etl([*apples(ROWS), row(Seeds="x")])
    assert read_manifest(store, "orchard") == before
    assert len(read_part(store, before, "train")) == before.counts.train
    assert world.tracker.every[-1].status == "FAILED"


class _BreakingTracker(MemoryTracker):
    """A tracker that breaks off at one call of a run, or when it is opened."""

    def __init__(self, folder: Path, at: str) -> None:
        super().__init__(folder, clock=lambda: 0.0)
        self.at = at

    @contextmanager
    def run(self, experiment: str, name: str, **named: Any) -> Iterator[Run]:
        if self.at == "open":
            raise RegistryError("http://tracker", "connection refused")
        with super().run(experiment, name, **named) as run:
            yield _Breaking(run, self.at)


class _Breaking:
    def __init__(self, run: Run, at: str) -> None:
        self._run, self._at = run, at

    def __getattr__(self, name: str) -> Any:
        if name == self._at:
            raise RegistryError("http://tracker", "connection refused")
        return getattr(self._run, name)


@pytest.mark.parametrize("at", ["open", "params", "metrics", "dataset", "artifact"])
def test_a_tracker_that_breaks_off_leaves_the_previous_state(world: World, at: str) -> None:
    before = world.etl(apples(60))
    with pytest.raises(RegistryError, match="connection refused"):
        world.etl(apples(ROWS), tracker=_BreakingTracker(world.folder / "broken", at))
    assert read_manifest(world.store, "orchard") == before
    assert set(world.store.keys("orchard/2020-12/")) == {
        *before.files.values(),
        "orchard/2020-12/manifest.json",
    }


class _Undeletable(MemoryObjectStore):
    def delete(self, key: str) -> None:
        raise StoreError(self.uri, key, "permission denied")


def test_files_that_cannot_be_swept_are_a_warning(tmp_path: Path) -> None:
    world = World(tmp_path, _Undeletable())
    for count in (60, 61, 62):
        manifest = world.etl(apples(count))
    assert read_manifest(world.store, "orchard") == manifest
    assert any("published, but files of an older run" in warning for warning in world.progress.warnings)


REAL = [
    ("rain_australia", "weatherAUS.csv", (145_460, 113_748, 28_445, 0, 0, 3_267, 0)),
    ("rain_australia", "weatherAUS_2017-07_2019-12.csv", (44_966, 34_920, 8_746, 0, 0, 1_300, 0)),
    ("heart_disease", "processed.cleveland.data", (303, 224, 79, 0, 0, 0, 0)),
    ("heart_disease", "processed.hungarian.data", (294, 207, 86, 0, 1, 0, 0)),
    ("heart_disease", "heart.csv", (303, 223, 79, 0, 1, 0, 0)),
    ("heart_disease", "heart_1025.csv", (1_025, 223, 79, 0, 723, 0, 0)),
    ("vehicle_price", "Car details v3.csv", (6_817, 4_310, 1_470, 18, 1_019, 0, 0)),
    ("employee_burnout", "employee_burnout_train.csv", (19_321, 14_737, 3_629, 0, 8, 947, 0)),
    ("employee_burnout", "enriched_employee_dataset.csv", (19_321, 14_744, 3_629, 0, 0, 948, 0)),
    ("employee_burn_rate", "employee_burnout_train.csv", (19_321, 14_737, 3_629, 0, 8, 947, 0)),
    ("employee_burn_rate", "enriched_employee_dataset.csv", (19_321, 14_744, 3_629, 0, 0, 948, 0)),
]


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "file", "counts"), REAL, ids=[f"{name} {file}" for name, file, _ in REAL])
def test_the_real_files(world: World, data_dir: Path, name: str, file: str, counts: tuple[int, ...]) -> None:
    found = world.etl(data_dir / file, find(name), "2026-01").counts
    parts: Mapping[str, int] = {slot: getattr(found, slot) for slot in found.__slots__}
    assert tuple(parts.values()) == counts


@pytest.mark.real_data
def test_both_spellings_of_the_cleveland_rows_are_the_same_rows(world: World, data_dir: Path) -> None:
    """All but one: heart.csv holds a copy in the place of one row."""
    use_case = find("heart_disease")
    rows = []
    for file in ("processed.cleveland.data", "heart.csv", "heart_1025.csv"):
        manifest = world.etl(data_dir / file, use_case)
        parts = [read_part(world.store, manifest, part).drop("line") for part in ("train", "test")]
        rows.append({cells for part in parts for cells in part.rows()})
    cleveland, kaggle, larger = rows
    assert kaggle == larger < cleveland
    assert len(cleveland - kaggle) == 1
