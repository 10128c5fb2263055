"""The rows of one run between transform and publication: a typed Parquet file on the local disk."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import narwhals as nw
import polars as pl

from servicio_ml.domain.dataset import SOURCE_LINE
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import Dialect, UseCase
from servicio_ml.errors import ContractError, SourceError, StoreError
from servicio_ml.pipeline.ingest import LINE, RawRows, Snapshot, columns_of, parse_problem
from servicio_ml.pipeline.plan import Plan, plan
from servicio_ml.pipeline.split import TEST
from servicio_ml.pipeline.transform import FATE, REASON, Fate, missing_shares, transform

SHOWN_REASONS = 3
STAGED = "staged.parquet"
DISK_FULL = "No space left on device"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """Typed rows with their fates.

    Attributes:
        rows: What `transform` makes, lazily from the disk.
        plan: How the file was read.
        fates: How many rows have each fate.
        missing: Share of the raw rows in which each field is missing.
    """

    rows: pl.LazyFrame
    plan: Plan
    fates: Mapping[Fate, int]
    missing: Mapping[str, float]

    @property
    def kept(self) -> pl.LazyFrame:
        return self.rows.filter(pl.col(FATE) == Fate.KEPT.value)

    def reasons(self) -> str:
        """The most frequent reasons of the quarantine, in words."""
        rejected = self.rows.filter(pl.col(FATE) == Fate.QUARANTINED.value)
        counted = rejected.group_by(REASON).len().sort("len", REASON, descending=[True, False])
        most = counted.head(SHOWN_REASONS).collect(engine="streaming")
        return "; ".join(f"{reason} ({rows}x)" for reason, rows in most.iter_rows())


def stage(snapshot: Snapshot, raw: RawRows, use_case: UseCase, last: date) -> Staged:
    """Transform the raw rows into a file beside the snapshot.

    Raises:
        SourceError: The file cannot be parsed, or holds no row.
        ContractError: No row can be used.
        StoreError: The disk is full.
    """
    planned = planned_for(use_case, raw.dialect, raw.absent)
    rows, path = nw.from_native(raw.frame), snapshot.path.with_name(STAGED)
    with _told(snapshot):
        _write(transform(rows, use_case, planned, last_day=last).to_native(), path)
        missing = missing_shares(rows, planned).to_native().collect(engine="streaming").row(0, named=True)
    typed = pl.scan_parquet(path)
    counted = dict(typed.group_by(FATE).len().collect(engine="streaming").iter_rows())
    staged = Staged(
        rows=typed, plan=planned, fates={fate: counted.get(fate.value, 0) for fate in Fate}, missing=missing
    )
    _refuse_useless(staged, snapshot.named, use_case)
    return staged


def planned_for(use_case: UseCase, dialect: Dialect, absent: Sequence[str]) -> Plan:
    """How a file in a dialect is read that lacks some optional fields."""
    sources = {name: column for name, column in columns_of(use_case, dialect).items() if name not in absent}
    return plan(use_case, sources, dialect.parse)


def write_parts(
    staged: Staged, sided: pl.LazyFrame, schema: FeatureSchema, folder: Path
) -> Mapping[str, Path]:
    """Write `train`, `test` and `quarantine` into files.

    Args:
        staged: All rows.
        sided: The kept ones with `TEST`.
        schema: The fields that are published.
        folder: Where to.

    Raises:
        StoreError: The disk is full.
    """
    line = pl.col(LINE).cast(pl.Int64).alias(SOURCE_LINE)
    published = [line, pl.col(*schema.field_names), pl.col(staged.plan.target.field.name)]
    rejected = staged.rows.filter(pl.col(FATE) == Fate.QUARANTINED.value)
    texts = (pl.col(name).alias(_free(column)) for name, column in staged.plan.raw.items())
    frames = {
        "train": sided.filter(~pl.col(TEST)).select(published),
        "test": sided.filter(TEST).select(published),
        "quarantine": rejected.select(line, pl.col(REASON).alias("reason"), *texts),
    }
    files = {name: folder / f"{name}.parquet" for name in frames}
    for name, frame in frames.items():
        _write(frame, files[name])
    return files


def _free(column: str) -> str:
    """A raw column's name beside the quarantine's own columns."""
    return f"raw {column}" if column in {SOURCE_LINE, "reason"} else column


def _write(frame: pl.LazyFrame, path: Path) -> None:
    try:
        frame.sink_parquet(path, engine="streaming")
    except (pl.exceptions.ComputeError, OSError) as error:
        if DISK_FULL in str(error):
            remedy = "the disk is full; free some space or set TMPDIR to a folder on another disk"
            raise StoreError("work folder", str(path.parent), remedy) from error
        raise


@contextmanager
def _told(snapshot: Snapshot) -> Iterator[None]:
    try:
        yield
    except pl.exceptions.PolarsError as error:
        raise parse_problem(snapshot, error) from error


def _refuse_useless(staged: Staged, named: str, use_case: UseCase) -> None:
    fates, read = staged.fates, sum(staged.fates.values())
    if not read:
        raise SourceError(named, "it holds the column names and no row")
    if fates[Fate.KEPT]:
        return
    if fates[Fate.QUARANTINED]:
        raise ContractError(named, f"every labelled row is rejected, mostly since {staged.reasons()}")
    if fates[Fate.LATER]:
        raise ContractError(named, f"none of the {read} rows is of the period or before it; see --period")
    raise ContractError(named, f"none of the {read} rows is labelled: {use_case.target.column!r} is missing")
