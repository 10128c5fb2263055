"""The ETL publishes whole states, counts every row, and leaves its trace in the tracker."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.object_store import MemoryObjectStore
from fakes.stats import MemoryStats
from fakes.tracker import MemoryTracker
from orchard_use_case import (
    GOOD,
    HEADER,
    build_grade_use_case,
    build_price_use_case,
    build_row,
    build_rows,
    build_use_case,
    write_csv,
)
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.policy import LeakagePolicy
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.ports.tracker import Run, Tracker
from servicio_ml.domain.schema import FeatureSchema, LearnedLevels, Parse
from servicio_ml.domain.use_case import ColumnSplit, DateSplit, Target, UseCase
from servicio_ml.errors import (
    ColumnsError,
    ContractError,
    RegistryError,
    SettingsError,
    StoreError,
)
from servicio_ml.lifecycle.published import read_manifest
from servicio_ml.pipeline.check_raw_file import check_raw_file
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.etl.run import run_etl
from servicio_ml.use_cases.catalogue import find
from stores import FullStore

ROWS = 400


class _RecordingProgress(SilentProgress):
    """Remembers what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def report(self, line: str) -> None:
        self.said.append(line)


class EtlEnvironment:
    """Everything that an ETL run touches, in memory."""

    def __init__(self, folder: Path, store: ObjectStore | None = None) -> None:
        self.folder = folder
        self.store = store or MemoryObjectStore()
        self.tracker = MemoryTracker(folder / "runs", clock=lambda: 0.0)
        self.progress, self.stats = _RecordingProgress(), MemoryStats()

    def run_etl(
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
            use_case or build_use_case(), source, source_name="my file", period=period, store=self.store,
            connect_tracker=lambda: tracker or self.tracker, progress=self.progress, stats=self.stats,
        )  # fmt: skip


@pytest.fixture
def etl(tmp_path: Path) -> EtlEnvironment:
    return EtlEnvironment(tmp_path)


@pytest.mark.parametrize(
    "make", [build_use_case, build_price_use_case, build_grade_use_case], ids=["labels", "number", "classes"]
)
def test_training_and_test_rows_are_published_with_types(
    etl: EtlEnvironment, make: Callable[[], UseCase]
) -> None:
    use_case = make()
    rows = [
        (*cells[:5], f"{(i * 5 + i // 7) % 4}.5" if use_case.target.numeric else cells[5])
        for i, cells in enumerate(build_rows(ROWS))
    ]
    if make is build_grade_use_case:
        rows = [(*cells[:5], cells[5].replace("3.5", "3")) for cells in rows]
    manifest = etl.run_etl(rows, use_case)
    train, test = (read_split(etl.store, manifest, part) for part in ("train", "test"))
    assert (len(train), len(test)) == (manifest.counts.train, manifest.counts.test)
    assert len(train) + len(test) == ROWS
    assert dict(train.schema) == {
        "line": pl.Int64, "day": pl.Date, "weight": pl.Float64, "seeds": pl.Int64, "colour": pl.String,
        "sugar": pl.Float64, use_case.target.name: pl.String if use_case.target.labels else pl.Float64,
    }  # fmt: skip
    assert read_manifest(etl.store, "orchard") == manifest
    assert manifest.schema == use_case.schema


def test_learned_levels_are_those_of_the_training_rows(etl: EtlEnvironment) -> None:
    colour = replace(
        build_use_case().schema.get_field("colour"),
        levels=(), example="", parse=Parse(), learned_levels=LearnedLevels(maximum=2, minimum_rows=3),
    )  # fmt: skip
    fields = (*(each for each in build_use_case().schema.fields if each.name != "colour"), colour)
    colours = ("green", "yellow", "green", "3.0", "03", "rare")
    rows = [
        (*cells[:3], colours[i % 5] if i else "rare", *cells[4:]) for i, cells in enumerate(build_rows(ROWS))
    ]
    manifest = etl.run_etl(rows, build_use_case(schema=FeatureSchema(fields=fields)))
    assert manifest.counts.quarantined == 0
    field = manifest.schema.get_field("colour")
    # 3.0 and 03 are one level; the texts themselves are published, for models with other levels
    assert (field.levels, field.example) == (("3", "green", "other"), "other")
    train = read_split(etl.store, manifest, "train")
    counts = dict(train["colour"].value_counts().iter_rows())
    assert counts["3"] > counts["yellow"] > 50
    assert read_manifest(etl.store, "orchard") == manifest
    overview = json.loads(etl.store.fetch(manifest.files["overview"]).read_text())
    [column] = [each for each in overview["columns"] if each["name"] == "colour"]
    assert column["histogram"]["labels"] == ["3", "green", "other"]
    assert any(line.startswith("colour: 2 of ") for line in etl.progress.said)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["good", "copy", "broken", "unlabelled", "later", "surplus"]), max_size=40))
def test_every_row_is_accounted_for(tmp_path_factory: pytest.TempPathFactory, kinds: list[str]) -> None:
    rows = build_rows(60)
    for i, kind in enumerate(kinds):
        number = str(1000 + i)
        rows.append(
            {
                "good": build_row(Seeds=number),
                "copy": rows[0],
                "broken": build_row(Seeds=number, Sugar="x"),
                "unlabelled": build_row(Seeds=number, Ripe="NA"),
                "later": build_row(Seeds=number, Day="2021-02-03"),
                "surplus": (*build_row(Seeds=number), "x"),
            }[kind]
        )
    etl = EtlEnvironment(tmp_path_factory.mktemp("etl"))
    counts = etl.run_etl(rows, build_use_case(leaks=LeakagePolicy.DROP)).counts
    assert counts.read == len(rows)
    assert counts.train + counts.test == 60 + kinds.count("good")
    assert counts.duplicates == kinds.count("copy")
    assert counts.quarantined == kinds.count("broken") + kinds.count("surplus")
    assert (counts.unlabelled, counts.later) == (kinds.count("unlabelled"), kinds.count("later"))
    quarantine = pl.read_parquet(etl.store.fetch(read_manifest(etl.store, "orchard").files["quarantine"]))
    broken = [i + 62 for i, kind in enumerate(kinds) if kind in {"broken", "surplus"}]
    assert quarantine["line"].to_list() == broken
    assert quarantine["reason"].null_count() == 0


def test_the_run_holds_parameters_counts_profile_and_digests(etl: EtlEnvironment) -> None:
    manifest = etl.run_etl([*build_rows(ROWS), build_row(Seeds="x"), build_row(Ripe="")])
    (run,) = etl.tracker.all_runs
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
    assert {"std_weight", "missing_before_ripe", "train_test_duplicates"} <= set(run.logged_metrics)
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
        assert [line["name"] for line in csv.DictReader(file)] == [
            *build_use_case().schema.field_names,
            "ripe",
        ]


def test_counts_of_rows_are_sent(etl: EtlEnvironment) -> None:
    etl.run_etl([*build_rows(ROWS), build_row(Seeds="x")])
    assert (etl.stats.counts, etl.stats.timings) == ({}, {})
    assert etl.stats.gauges["etl.orchard.rows_read"] == ROWS + 1
    assert etl.stats.gauges["etl.orchard.rows_quarantined"] == 1


def test_extra_columns_are_named_once_and_quarantine_is_warned_of(etl: EtlEnvironment) -> None:
    rows = [(*cells, "x") for cells in [*build_rows(ROWS), build_row(Seeds="x")]]
    etl.run_etl(rows, header=(*HEADER, "Shoe size"))
    assert etl.progress.said == ["columns that are not read: Shoe size"]
    assert etl.progress.warnings == [
        (
            "1 rows are in quarantine, mostly because seeds: 'x' is not a whole number from 0 to 20000"
            " (1 row, in line 402)"
        )
    ]


def test_an_absent_optional_column_is_dropped_with_what_is_derived_from_it(
    etl: EtlEnvironment,
) -> None:
    rows = [(*cells[:4], cells[5]) for cells in build_rows(ROWS)]
    manifest = etl.run_etl(rows, header=(*HEADER[:4], HEADER[5]))
    assert manifest.dropped == {"sugar": "not in the file"}
    assert "sugar" not in manifest.schema.field_names
    assert "sugar" not in read_split(etl.store, manifest, "train").columns


def test_an_optional_column_does_not_move_rows_between_sides(etl: EtlEnvironment) -> None:
    rows = build_rows(ROWS)
    full = read_split(etl.store, etl.run_etl(rows), "test")["line"]
    fewer = etl.run_etl([(*cells[:4], cells[5]) for cells in rows], header=(*HEADER[:4], HEADER[5]))
    assert read_split(etl.store, fewer, "test")["line"].to_list() == full.to_list()


def test_a_column_that_splits_is_not_published(etl: EtlEnvironment) -> None:
    """Green apples are test rows; another colour than the levels goes to quarantine."""
    schema = build_use_case().schema
    colour = replace(schema.get_field("colour"), nullable=False)
    fields = tuple(colour if each.name == "colour" else each for each in schema.fields)
    use_case = build_use_case(
        schema=type(schema)(fields=fields), split=ColumnSplit(field="colour", test="green")
    )
    rows = [cells for cells in build_rows(ROWS) if cells[3] != "NA"]
    manifest = etl.run_etl([*rows, build_row(Colour="blue")], use_case)
    assert (manifest.counts.train, manifest.counts.test, manifest.counts.quarantined) == (200, 100, 1)
    assert manifest.dropped == {"colour": "it says which rows are test rows"}
    assert manifest.schema.field_names == ("day", "weight", "seeds", "sugar")


def test_a_weight_stands_beside_the_features(etl: EtlEnvironment) -> None:
    """Rows without a positive number go to quarantine."""
    schema = build_use_case().schema
    weight = replace(schema.get_field("seeds"), minimum=1)
    fields = tuple(weight if each.name == "seeds" else each for each in schema.fields)
    use_case = build_use_case(schema=type(schema)(fields=fields), sample_weight="seeds")
    rows = [(*cells[:2], str(1 + int(cells[2])), *cells[3:]) for cells in build_rows(ROWS)]
    bad = [
        build_row(Seeds=text, Day=f"2020-07-0{i}") for i, text in enumerate(["0", "-2", "", "inf", "x"], 1)
    ]
    manifest = etl.run_etl([*rows, *bad], use_case)
    assert manifest.counts.quarantined == 5
    quarantine = pl.read_parquet(etl.store.fetch(manifest.files["quarantine"]))
    assert quarantine["reason"].str.starts_with("seeds: ").all()
    assert manifest.dropped == {"seeds": "it weighs the rows"}
    assert manifest.schema.field_names == ("day", "weight", "colour", "sugar")
    train, test = (read_split(etl.store, manifest, part) for part in ("train", "test"))
    assert train.columns == ["line", "day", "weight", "colour", "sugar", "seeds", "ripe"]
    seeds = pl.concat([train, test]).sort("line")["seeds"]
    assert seeds.to_list() == [int(cells[2]) for cells in rows]
    # a row keeps its side when its weight changes
    heavier = etl.run_etl([(*cells[:2], str(7 + int(cells[2])), *cells[3:]) for cells in rows], use_case)
    assert read_split(etl.store, heavier, "test")["line"].to_list() == test["line"].to_list()
    found = check_raw_file(use_case, write_csv(etl.folder / "b.csv", [*rows, *bad]), source_name="b.csv")
    assert found.status_counts["quarantined"] == 5
    assert found.quarantine[0].startswith("seeds: it is not a whole number from 1 to 20000")
    assert found.problems == []


def _create_leaking_rows() -> list[tuple[str, ...]]:
    return [(*cells[:4], "20" if cells[5] == "yes" else "10", cells[5]) for cells in build_rows(ROWS)]


def test_a_leak_is_dropped_with_its_reason(etl: EtlEnvironment) -> None:
    manifest = etl.run_etl(_create_leaking_rows())
    assert manifest.dropped == {"sugar": "sugar >= 20 exactly when ripe is yes"}
    assert "sugar" not in read_split(etl.store, manifest, "train").columns
    assert any("sugar is left out" in warning for warning in etl.progress.warnings)


def test_a_leak_fails_the_run_where_the_use_case_says_so(etl: EtlEnvironment) -> None:
    with pytest.raises(ContractError, match=r"sugar >= 20 exactly when ripe is yes.*nothing was published"):
        etl.run_etl(_create_leaking_rows(), build_use_case(leaks=LeakagePolicy.FAIL))
    assert etl.store.list_keys("") == []
    assert [run.status for run in etl.tracker.all_runs] == ["FAILED"]


def test_a_date_that_splits_cannot_be_dropped(etl: EtlEnvironment) -> None:
    rows = [(f"2020-0{1 + 4 * (cells[5] == 'yes')}-01", *cells[1:]) for cells in build_rows(ROWS)]
    with pytest.raises(ContractError, match="cannot be left out"):
        etl.run_etl(rows, build_use_case(split=DateSplit(field="day"), deduplicate=False))


def test_train_test_duplicates_are_counted_with_a_warning(etl: EtlEnvironment) -> None:
    """Copies of one row on other days are duplicates for a model that does not read the day directly."""
    schema = build_use_case().schema
    hidden = replace(schema.fields[0], direct=False)
    use_case = build_use_case(
        schema=type(schema)(fields=(hidden, *schema.fields[1:])), split=DateSplit(field="day", test_share=0.3)
    )
    copies = [(str(date(2020, 11, 1) + timedelta(days=i)), *build_rows(1)[0][1:]) for i in range(20)]
    manifest = etl.run_etl([*build_rows(ROWS), *copies], use_case)
    assert manifest.train_test_duplicates == 20
    assert etl.progress.warnings == [
        "20 test rows are equal to a training row in every field that models read"
    ]


def test_a_file_that_does_not_fit_is_refused_before_the_tracker_is_connected(
    etl: EtlEnvironment,
) -> None:
    with pytest.raises(ColumnsError):
        etl.run_etl([("x",)], header=("Name",), tracker=_FailingTracker(etl.folder / "broken", "open"))


@pytest.mark.parametrize(
    ("make", "needs"),
    [
        (
            build_use_case,
            "at least 16 are needed (5 for training in 5 folds and 3 for testing of each class)",
        ),
        (build_price_use_case, "at least 11 are needed (10 for training in 5 folds and 1 for testing)"),
    ],
    ids=["classes", "number"],
)
def test_three_rows_are_refused_with_the_number_that_is_needed(
    etl: EtlEnvironment, make: Callable[[], UseCase], needs: str
) -> None:
    use_case = make()
    ripe = "1.5" if use_case.target.numeric else "yes"
    with pytest.raises(ContractError, match="too few rows: 3 usable rows, ") as caught:
        etl.run_etl([build_row(Seeds=f"{i}", Ripe=ripe) for i in range(3)], use_case)
    assert needs in str(caught.value)
    assert etl.store.list_keys("") == []


def test_a_missing_class_is_named_with_the_values_that_there_are(etl: EtlEnvironment) -> None:
    rows = [(*cells[:5], "yes") for cells in build_rows(ROWS)]
    with pytest.raises(ContractError) as caught:
        etl.run_etl(rows)
    assert str(caught.value) == (
        "my file: no usable row has the class 'no' of 'Ripe' (its classes are no, yes); its values are yes"
        " (400 rows): check how the column is coded, or add rows of the class; nothing was published"
    )
    assert etl.store.list_keys("") == []


def test_a_target_coded_1_and_2_where_0_is_a_class_is_refused_with_its_values(etl: EtlEnvironment) -> None:
    disease = Target(
        name="disease", column="Ripe", description="Disease", labels=("absent", "present"), edges=(0.5,),
        minimum=0, maximum=4,
    )  # fmt: skip
    rows = [(*cells[:5], f"{1 + i % 2}") for i, cells in enumerate(build_rows(ROWS))]
    with pytest.raises(ContractError) as caught:
        etl.run_etl(rows, build_use_case(target=disease))
    assert "no usable row has the class 'absent' of 'Ripe' ('absent' < 0.5 ≤ 'present')" in str(caught.value)
    assert "its values are 1 (200 rows), 2 (200 rows)" in str(caught.value)


def test_two_rows_of_a_class_are_refused_with_the_number_that_is_needed(etl: EtlEnvironment) -> None:
    rows = [(*cells[:5], "yes" if i in {7, 70} else "no") for i, cells in enumerate(build_rows(ROWS))]
    with pytest.raises(ContractError) as caught:
        etl.run_etl(rows)
    assert re.search(
        r"class 'yes' of 'Ripe' has [012] training rows? and [012] test rows?; needed: ", str(caught.value)
    )
    assert "5 for training in 5 folds and 3 for testing of each class" in str(caught.value)
    assert etl.store.list_keys("") == []


def test_few_test_rows_are_warned_of_as_training_will_refuse_them(etl: EtlEnvironment) -> None:
    tests = etl.run_etl(build_rows(60)).counts.test
    assert etl.progress.warnings[-1] == (
        f"`train` will refuse this period: {tests} test rows, 30 are needed to compare models: publish about"
        " 120 usable rows or raise `test_share` of the split (now 0.25)"
    )


def test_a_column_in_another_format_is_one_cause_with_an_example(etl: EtlEnvironment) -> None:
    """Each date differs, so that each reason does, too."""
    rows = [(f"{1 + i % 28:02}/{1 + i % 12:02}/2020", *cells[1:]) for i, cells in enumerate(build_rows(ROWS))]
    rows[:20] = build_rows(20)
    with pytest.raises(ContractError) as caught:
        etl.run_etl(rows)
    assert str(caught.value) == (
        "my file: 380 of 400 labelled rows are rejected, more than 20% (max_quarantined_share of the use"
        " case), mostly because day: '01/05/2020' is not a date as YYYY-MM-DD of the years 1000–2999 (380"
        " rows with 84 different values, first in line 22); nothing was published"
    )
    assert etl.store.list_keys("") == []


def test_the_share_of_the_quarantine_is_a_setting_of_the_use_case(etl: EtlEnvironment) -> None:
    rows = [*build_rows(300), *(build_row(Seeds="x", Sugar=f"{i}") for i in range(100))]
    with pytest.raises(ContractError, match=r"100 of 400 labelled rows are rejected, more than 20%"):
        etl.run_etl(rows)
    assert etl.run_etl(rows, build_use_case(max_quarantined_share=0.25)).counts.quarantined == 100


def test_cut_lines_count_in_the_share_of_the_quarantine(etl: EtlEnvironment) -> None:
    """Lines without their last cells have neither a target nor, cut to the same cells, a difference."""
    rows = [*build_rows(300), *(100 * [GOOD[:3]])]
    with pytest.raises(ContractError) as caught:
        etl.run_etl(rows)
    assert str(caught.value) == (
        "my file: 100 of 400 labelled rows are rejected, more than 20% (max_quarantined_share of the use"
        " case), mostly because the line has fewer fields than there are columns (100 rows, first in line"
        " 302); nothing was published"
    )
    counts = etl.run_etl(rows, build_use_case(max_quarantined_share=0.25)).counts
    assert (counts.quarantined, counts.duplicates, counts.unlabelled) == (100, 0, 0)


def test_cut_lines_are_no_copies_that_an_unread_column_keeps_apart(etl: EtlEnvironment) -> None:
    rows = [(*cells, "", f"id {i}") for i, cells in enumerate(build_rows(ROWS))]
    cut = [cells[:7] for cells in rows[:5]]
    counts = etl.run_etl([*rows, *rows[:2], *cut], header=(*HEADER, "Shop", "Id")).counts
    assert (counts.quarantined, counts.duplicates) == (5, 2)


def _copy_rows_under_other_ids() -> list[tuple[str, ...]]:
    """400 rows, 12 of them again under another id, 5 of these under another shop, and 3 copied entirely."""
    rows = [(*cells, f"id {i}", "north") for i, cells in enumerate(build_rows(ROWS))]
    again = [(*rows[i][:6], f"id {ROWS + i}", "south" if i < 5 else "north") for i in range(12)]
    return [*rows, *again, *rows[20:23]]


ID_HEADER = (*HEADER, "Id", "")


def test_rows_that_only_an_unread_column_keeps_apart_need_a_choice(etl: EtlEnvironment) -> None:
    with pytest.raises(ContractError) as caught:
        etl.run_etl(_copy_rows_under_other_ids(), header=ID_HEADER)
    assert str(caught.value) == (
        "my file: rows are equal to another in every column that the use case reads, but differ in others:"
        " 'Id' (12 rows), '(unnamed)' (5 rows); say in the use case what they are: deduplicate=True drops"
        " them, False keeps them; nothing was published"
    )
    assert etl.store.list_keys("") == []


@pytest.mark.parametrize(
    ("deduplicate", "duplicates", "said"),
    [
        (True, 15, ["copies that are dropped and differ in columns that are not read: 'Id' (12 rows)"]),
        (False, 0, []),
    ],
    ids=["dropped", "kept"],
)
def test_the_choice_of_the_use_case_about_copies_is_followed(
    etl: EtlEnvironment, *, deduplicate: bool, duplicates: int, said: list[str]
) -> None:
    manifest = etl.run_etl(
        _copy_rows_under_other_ids(), build_use_case(deduplicate=deduplicate), header=ID_HEADER
    )
    assert manifest.counts.duplicates == duplicates
    assert [line.partition(", '(unn")[0] for line in etl.progress.said if "copies" in line] == said


def test_copies_that_are_equal_in_every_column_need_no_choice(etl: EtlEnvironment) -> None:
    rows = [(*cells, f"id {i}", "") for i, cells in enumerate(build_rows(ROWS))]
    assert etl.run_etl([*rows, *rows[:7]], header=ID_HEADER).counts.duplicates == 7


def test_a_parquet_column_of_lists_that_nobody_reads_does_no_harm(etl: EtlEnvironment) -> None:
    rows = build_rows(ROWS)
    columns: dict[str, Any] = dict(zip(HEADER, map(list, zip(*rows, strict=True)), strict=True))
    columns |= {"tags": [["a"]] * ROWS, "raw": [b"\xff"] * ROWS, "place": [{"x": 1}] * ROWS}
    pl.DataFrame(columns).write_parquet(etl.folder / "a.parquet")
    assert etl.run_etl(etl.folder / "a.parquet").counts.read == ROWS


def test_a_wrong_period_is_refused_before_anything_else(etl: EtlEnvironment) -> None:
    with pytest.raises(SettingsError, match="2020-13"):
        etl.run_etl(etl.folder / "none.csv", period="2020-13")


def test_the_overview_is_published_beside_the_rows(etl: EtlEnvironment) -> None:
    manifest = etl.run_etl([*build_rows(ROWS), build_row(Seeds="x")])
    assert set(manifest.files) == {"train", "test", "quarantine", "overview"}
    overview = json.loads(etl.store.fetch(manifest.files["overview"]).read_text())
    assert overview["rows"] == ROWS
    assert overview["quarantine"]["rows"] == 1
    assert [each["name"] for each in overview["columns"]] == [*build_use_case().schema.field_names, "ripe"]


def test_what_is_left_out_is_in_no_overview(etl: EtlEnvironment) -> None:
    manifest = etl.run_etl(_create_leaking_rows())
    overview = json.loads(etl.store.fetch(manifest.files["overview"]).read_text())
    assert "sugar" not in overview["sample"]["names"]


def test_the_same_file_again_restates_the_same(etl: EtlEnvironment) -> None:
    first = etl.run_etl(build_rows(ROWS))
    keys = list(etl.store.list_keys(""))
    assert etl.run_etl(build_rows(ROWS)) == first
    assert etl.store.list_keys("") == keys


def test_a_rerun_restates_and_never_mixes(etl: EtlEnvironment) -> None:
    etl.run_etl([*build_rows(ROWS), build_row(Seeds="x")])
    second = etl.run_etl(build_rows(60))
    assert read_manifest(etl.store, "orchard", "2020-12") == second
    assert second.counts.read == 60
    assert len(read_split(etl.store, second, "train")) + len(read_split(etl.store, second, "test")) == 60
    assert second.counts.quarantined == 0


def test_the_digest_follows_rows_schema_and_target(etl: EtlEnvironment) -> None:
    digests = {
        etl.run_etl(build_rows(ROWS)).digest,
        etl.run_etl(build_rows(ROWS - 1)).digest,
        etl.run_etl(
            [(*cells[:4], cells[5]) for cells in build_rows(ROWS)], header=(*HEADER[:4], HEADER[5])
        ).digest,
        etl.run_etl([*build_rows(ROWS), build_row(Ripe="")]).digest,  # what is not published does not count
    }
    assert len(digests) == 3


@pytest.mark.parametrize("allowed", range(6))
def test_a_store_that_refuses_midway_leaves_the_previous_state(tmp_path: Path, allowed: int) -> None:
    store = FullStore()
    etl = EtlEnvironment(tmp_path, store)
    before = etl.run_etl(build_rows(60))
    store.left = allowed
    with pytest.raises(StoreError, match="disk is full"):
        etl.run_etl([*build_rows(ROWS), build_row(Seeds="x")])
    assert read_manifest(store, "orchard") == before
    assert len(read_split(store, before, "train")) == before.counts.train
    assert etl.tracker.all_runs[-1].status == "FAILED"


class _FailingTracker(MemoryTracker):
    """A tracker that breaks off at one call of a run, or when it is opened."""

    def __init__(self, folder: Path, at: str) -> None:
        super().__init__(folder, clock=lambda: 0.0)
        self.at = at

    @contextmanager
    def open_run(self, experiment: str, name: str, **named: Any) -> Iterator[Run]:
        if self.at == "open":
            raise RegistryError("http://tracker", "connection refused")
        with super().open_run(experiment, name, **named) as run:
            yield _FailingRun(run, self.at)


class _FailingRun:
    def __init__(self, run: Run, at: str) -> None:
        self._run, self._at = run, at

    def __getattr__(self, name: str) -> Any:
        if name == self._at:
            raise RegistryError("http://tracker", "connection refused")
        return getattr(self._run, name)


@pytest.mark.parametrize("at", ["open", "log_params", "log_metrics", "log_dataset", "log_artifact"])
def test_a_tracker_that_breaks_off_leaves_the_previous_state(etl: EtlEnvironment, at: str) -> None:
    before = etl.run_etl(build_rows(60))
    with pytest.raises(RegistryError, match="connection refused"):
        etl.run_etl(build_rows(ROWS), tracker=_FailingTracker(etl.folder / "broken", at))
    assert read_manifest(etl.store, "orchard") == before
    assert set(etl.store.list_keys("orchard/2020-12/")) == {
        *before.files.values(),
        "orchard/2020-12/manifest.json",
    }


class _UndeletableStore(MemoryObjectStore):
    def delete(self, key: str) -> None:
        raise StoreError(self.uri, key, "permission denied")


def test_files_that_cannot_be_swept_are_a_warning(tmp_path: Path) -> None:
    etl = EtlEnvironment(tmp_path, _UndeletableStore())
    for count in (60, 61, 62):
        manifest = etl.run_etl(build_rows(count))
    assert read_manifest(etl.store, "orchard") == manifest
    assert any("published, but files of an older run" in warning for warning in etl.progress.warnings)


REAL = [
    ("rain_australia", "weatherAUS.csv", (145_460, 113_748, 28_445, 0, 0, 3_267, 0)),
    ("rain_australia", "weatherAUS_2017-07_2019-12.csv", (44_966, 34_920, 8_746, 0, 0, 1_300, 0)),
    ("heart_disease", "processed.cleveland.data", (303, 224, 79, 0, 0, 0, 0)),
    ("heart_disease", "processed.hungarian.data", (294, 207, 86, 0, 1, 0, 0)),
    ("heart_disease", "heart.csv", (303, 223, 79, 0, 1, 0, 0)),
    ("heart_disease", "heart_1025.csv", (1_025, 223, 79, 0, 723, 0, 0)),
    ("vehicle_price", "Car details v3.csv", (6_817, 4_367, 1_413, 18, 1_019, 0, 0)),
    ("employee_burnout", "employee_burnout_train.csv", (19_321, 14_737, 3_629, 0, 8, 947, 0)),
    ("employee_burnout", "enriched_employee_dataset.csv", (19_321, 14_744, 3_629, 0, 0, 948, 0)),
    ("employee_burn_rate", "employee_burnout_train.csv", (19_321, 14_737, 3_629, 0, 8, 947, 0)),
    ("employee_burn_rate", "enriched_employee_dataset.csv", (19_321, 14_744, 3_629, 0, 0, 948, 0)),
]


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "file", "counts"), REAL, ids=[f"{name} {file}" for name, file, _ in REAL])
def test_the_real_files(
    etl: EtlEnvironment, data_dir: Path, name: str, file: str, counts: tuple[int, ...]
) -> None:
    found = etl.run_etl(data_dir / file, find(name), "2026-01").counts
    row_counts: Mapping[str, int] = {name: getattr(found, name) for name in found.__slots__}
    assert tuple(row_counts.values()) == counts


@pytest.mark.real_data
def test_both_dialects_of_the_cleveland_rows_are_the_same_rows(etl: EtlEnvironment, data_dir: Path) -> None:
    """All but one: heart.csv holds a copy in the place of one row."""
    use_case = find("heart_disease")
    rows = []
    for file in ("processed.cleveland.data", "heart.csv", "heart_1025.csv"):
        manifest = etl.run_etl(data_dir / file, use_case)
        frames = [read_split(etl.store, manifest, part).drop("line") for part in ("train", "test")]
        rows.append({cells for frame in frames for cells in frame.rows()})
    cleveland, kaggle, larger = rows
    assert kaggle == larger < cleveland
    assert len(cleveland - kaggle) == 1
