"""Rows between transform and publication: useless files are refused, rejected rows keep their texts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from orchard_use_case import GOOD, HEADER, LAST_DAY, build_row, build_rows, build_use_case, write_csv
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import ContractError, DataError, SourceError, StoreError
from servicio_ml.pipeline.etl import staging
from servicio_ml.pipeline.etl.split import TEST
from servicio_ml.pipeline.etl.staging import StagedRows, stage, write_data_files
from servicio_ml.pipeline.reading.input_file import copy_input_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.pipeline.reading.transform import RowStatus


def _stage(source: Path, folder: Path, use_case: UseCase | None = None) -> StagedRows:
    chosen = use_case or build_use_case()
    folder.mkdir(exist_ok=True)
    snapshot = copy_input_file(source, "my file", folder)
    return stage(snapshot, read_rows(snapshot, chosen), chosen, LAST_DAY)


def test_every_row_is_counted_once(tmp_path: Path) -> None:
    rows = [
        build_row(),
        build_row(),
        build_row(Seeds="x"),
        build_row(Ripe=""),
        build_row(Day="2021-01-01"),
        build_row(Seeds="8"),
    ]
    staged = _stage(write_csv(tmp_path / "a.csv", rows), tmp_path / "work")
    assert staged.status_counts == {
        RowStatus.KEPT: 2,
        RowStatus.DUPLICATE: 1,
        RowStatus.QUARANTINED: 1,
        RowStatus.UNLABELLED: 1,
        RowStatus.LATER: 1,
    }
    assert staged.missing_shares["ripe"] == pytest.approx(1 / 6)
    assert staged.missing_shares["seeds"] == 0


def test_the_most_frequent_causes_come_first(tmp_path: Path) -> None:
    rows = [build_row(Seeds=text, Sugar=f"{i}") for i, text in enumerate("aabbbcd")]
    others = [
        build_row(Day="soon", Sugar="8"),
        build_row(Seeds="", Sugar="9"),
        (*build_row(Sugar="10"), "more"),
    ]
    staged = _stage(write_csv(tmp_path / "a.csv", [GOOD, *rows, *others, others[0]]), tmp_path / "work")
    assert staged.summarize_reasons() == (
        "seeds: 'b' is not a whole number from 0 to 20000 (7 rows with 4 different values, first in line 3); "
        "day: 'soon' is not a date as YYYY-MM-DD of the years 1000–2999 (1 row, in line 10); "
        "seeds: it is missing (1 row, in line 11)"
    )


@pytest.mark.parametrize(
    ("rows", "error", "problem"),
    [
        ([], SourceError, "holds the column names and no row"),
        (
            [build_row(Ripe=""), build_row(Ripe="NA", Seeds="x")],
            ContractError,
            "none of the 2 rows is labelled: 'Ripe' is missing",
        ),
        (
            [build_row(Seeds="x"), build_row(Ripe="")],
            ContractError,
            "every labelled row is rejected, mostly because seeds: 'x'",
        ),
        (
            [build_row(Day="2021-01-01")],
            ContractError,
            "none of the 1 rows is of the period or before it; see --period",
        ),
    ],
    ids=["header only", "no label", "wrong types", "all later"],
)
def test_a_useless_file_is_refused(
    tmp_path: Path, rows: Sequence[Sequence[str]], error: type[DataError], problem: str
) -> None:
    with pytest.raises(error, match="my file") as caught:
        _stage(write_csv(tmp_path / "a.csv", rows), tmp_path / "work")
    assert problem in str(caught.value)


def test_a_parquet_file_whose_middle_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    cells = dict(zip(HEADER, map(list, zip(*build_rows(500), strict=True)), strict=True))
    pl.DataFrame(cells).write_parquet(path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[20:400] = bytes(380)
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"my file: it is no complete Parquet file .*; get it again"):
        _stage(path, tmp_path / "work")


def _write(staged: StagedRows, folder: Path, schema: FeatureSchema) -> dict[str, pl.DataFrame]:
    sided = staged.kept.with_columns((pl.col("seeds") % 2 == 0).alias(TEST))
    return {
        name: pl.read_parquet(path)
        for name, path in write_data_files(staged, sided, schema.fields, folder).items()
    }


def test_parts_hold_line_fields_and_target_by_line(tmp_path: Path) -> None:
    staged = _stage(write_csv(tmp_path / "a.csv", build_rows(100)), tmp_path / "work")
    schema = build_use_case().schema.drop_fields(["sugar"])
    files = _write(staged, tmp_path, schema)
    for part in ("train", "test"):
        assert files[part].columns == ["line", *schema.field_names, "ripe"]
        assert files[part]["line"].is_sorted()
    assert sorted([*files["train"]["line"], *files["test"]["line"]]) == list(range(2, 102))
    assert files["quarantine"].is_empty()


def test_the_quarantine_holds_line_reason_and_raw_texts(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "a.csv", [GOOD, build_row(Weight=" 1 or 2 ", Colour="NA")])
    files = _write(_stage(source, tmp_path / "work"), tmp_path, build_use_case().schema)
    assert files["quarantine"].to_dicts() == [
        {
            "line": 3, "reason": "weight: '1 or 2' is not a number from 1 to 5000 g", "Day": "2020-06-30",
            "Weight": "1 or 2", "Seeds": "7", "Colour": "NA", "Sugar": "12.5", "Ripe": "yes",
        }
    ]  # fmt: skip


def test_raw_columns_may_be_called_line_and_reason(tmp_path: Path) -> None:
    fields = build_use_case().schema.fields
    renamed = (replace(fields[2], column="line"), replace(fields[1], column="reason"))
    schema = FeatureSchema(fields=(fields[0], *renamed, *fields[3:]))
    source = write_csv(
        tmp_path / "a.csv", [GOOD, build_row(Seeds="x")], ["Day", "reason", "line", *HEADER[3:]]
    )
    staged = _stage(source, tmp_path / "work", build_use_case(schema=schema))
    rejected = _write(staged, tmp_path, schema)["quarantine"].row(0, named=True)
    assert (rejected["line"], rejected["raw line"], rejected["raw reason"]) == (3, "x", "180")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_reported() -> None:
    with pytest.raises(StoreError, match=r"the disk is full; free some space or set TMPDIR"):
        staging._write_parquet(pl.LazyFrame({"a": range(100_000)}), Path("/dev/full"))
