"""Rows between transform and publication: useless files are refused, rejected rows keep their texts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from orchard import GOOD, HEADER, LAST_DAY, apples, orchard, row, write_csv
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import ContractError, DataError, SourceError, StoreError
from servicio_ml.pipeline import staging
from servicio_ml.pipeline.ingest import read_rows, take_snapshot
from servicio_ml.pipeline.split import TEST
from servicio_ml.pipeline.staging import Staged, stage, write_parts
from servicio_ml.pipeline.transform import Fate


def _staged(source: Path, folder: Path, use_case: UseCase | None = None) -> Staged:
    chosen = use_case or orchard()
    folder.mkdir(exist_ok=True)
    snapshot = take_snapshot(source, "my file", folder)
    return stage(snapshot, read_rows(snapshot, chosen), chosen, LAST_DAY)


def test_every_row_is_counted_once(tmp_path: Path) -> None:
    rows = [row(), row(), row(Seeds="x"), row(Ripe=""), row(Day="2021-01-01"), row(Seeds="8")]
    staged = _staged(write_csv(tmp_path / "a.csv", rows), tmp_path / "work")
    assert staged.fates == {
        Fate.KEPT: 2, Fate.DUPLICATE: 1, Fate.QUARANTINED: 1, Fate.UNLABELLED: 1, Fate.LATER: 1,
    }  # fmt: skip
    assert staged.missing["ripe"] == pytest.approx(1 / 6)
    assert staged.missing["seeds"] == 0


def test_the_most_frequent_reasons_come_first(tmp_path: Path) -> None:
    rows = [row(Seeds=text, Sugar=f"{i}") for i, text in enumerate("aabbbcd")]
    staged = _staged(write_csv(tmp_path / "a.csv", [GOOD, *rows]), tmp_path / "work")
    told = [
        f"seeds: '{text}' is not a whole number from 0 to 20000 ({n}x)"
        for text, n in (("b", 3), ("a", 2), ("c", 1))
    ]
    assert staged.reasons() == "; ".join(told)


@pytest.mark.parametrize(
    ("rows", "error", "told"),
    [
        ([], SourceError, "holds the column names and no row"),
        (
            [row(Ripe=""), row(Ripe="NA", Seeds="x")],
            ContractError,
            "none of the 2 rows is labelled: 'Ripe' is missing",
        ),
        (
            [row(Seeds="x"), row(Ripe="")],
            ContractError,
            "every labelled row is rejected, mostly since seeds: 'x'",
        ),
        (
            [row(Day="2021-01-01")],
            ContractError,
            "none of the 1 rows is of the period or before it; see --period",
        ),
    ],
    ids=["header only", "no label", "wrong types", "all later"],
)
def test_a_useless_file_is_refused(
    tmp_path: Path, rows: Sequence[Sequence[str]], error: type[DataError], told: str
) -> None:
    with pytest.raises(error, match="my file") as caught:
        _staged(write_csv(tmp_path / "a.csv", rows), tmp_path / "work")
    assert told in str(caught.value)


def test_a_parquet_file_whose_middle_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    cells = dict(zip(HEADER, map(list, zip(*apples(500), strict=True)), strict=True))
    pl.DataFrame(cells).write_parquet(path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[20:400] = bytes(380)
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"my file: it is no whole Parquet file .*; get it again"):
        _staged(path, tmp_path / "work")


def _written(staged: Staged, folder: Path, schema: FeatureSchema) -> dict[str, pl.DataFrame]:
    sided = staged.kept.with_columns((pl.col("seeds") % 2 == 0).alias(TEST))
    return {name: pl.read_parquet(path) for name, path in write_parts(staged, sided, schema, folder).items()}


def test_parts_hold_line_fields_and_target_by_line(tmp_path: Path) -> None:
    staged = _staged(write_csv(tmp_path / "a.csv", apples(100)), tmp_path / "work")
    schema = orchard().schema.without(["sugar"])
    parts = _written(staged, tmp_path, schema)
    for part in ("train", "test"):
        assert parts[part].columns == ["line", *schema.field_names, "ripe"]
        assert parts[part]["line"].is_sorted()
    assert sorted([*parts["train"]["line"], *parts["test"]["line"]]) == list(range(2, 102))
    assert parts["quarantine"].is_empty()


def test_the_quarantine_holds_line_reason_and_raw_texts(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "a.csv", [GOOD, row(Weight=" 1 or 2 ", Colour="NA")])
    parts = _written(_staged(source, tmp_path / "work"), tmp_path, orchard().schema)
    assert parts["quarantine"].to_dicts() == [
        {
            "line": 3, "reason": "weight: '1 or 2' is not a number from 1 to 5000 g", "Day": "2020-06-30",
            "Weight": "1 or 2", "Seeds": "7", "Colour": "NA", "Sugar": "12.5", "Ripe": "yes",
        }
    ]  # fmt: skip


def test_raw_columns_may_be_called_line_and_reason(tmp_path: Path) -> None:
    fields = orchard().schema.fields
    renamed = (replace(fields[2], column="line"), replace(fields[1], column="reason"))
    schema = FeatureSchema(fields=(fields[0], *renamed, *fields[3:]))
    source = write_csv(tmp_path / "a.csv", [GOOD, row(Seeds="x")], ["Day", "reason", "line", *HEADER[3:]])
    staged = _staged(source, tmp_path / "work", orchard(schema=schema))
    rejected = _written(staged, tmp_path, schema)["quarantine"].row(0, named=True)
    assert (rejected["line"], rejected["raw line"], rejected["raw reason"]) == (3, "x", "180")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_told() -> None:
    with pytest.raises(StoreError, match=r"the disk is full; free some space or set TMPDIR"):
        staging._write(pl.LazyFrame({"a": range(100_000)}), Path("/dev/full"))
