"""Rows of one run between transform and publication: a typed Parquet file on the local disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import narwhals as nw
import polars as pl

from servicio_ml.domain.dataset import SOURCE_LINE
from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.schema import Field
from servicio_ml.domain.use_case import Dialect, UseCase
from servicio_ml.errors import ContractError, SourceError, StoreError
from servicio_ml.pipeline.etl.split import TEST
from servicio_ml.pipeline.reading.columns import (
    LabelledReadPlan,
    plan_labelled_read,
    rename_clashing_columns,
)
from servicio_ml.pipeline.reading.dialects import map_columns
from servicio_ml.pipeline.reading.foreign_codes import refuse_foreign_codes
from servicio_ml.pipeline.reading.input_file import InputFile, translate_read_errors
from servicio_ml.pipeline.reading.number_text import POINT
from servicio_ml.pipeline.reading.raw_file import RawRows
from servicio_ml.pipeline.reading.rejections import summarize_causes
from servicio_ml.pipeline.reading.text import LINE
from servicio_ml.pipeline.reading.transform import (
    REASON,
    ROW_IDENTIFIER,
    STATUS,
    RowStatus,
    compute_missing_shares,
    transform,
)

STAGED_FILE = "staged.parquet"
DISK_FULL = "No space left on device"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRows:
    """Typed rows with their status.

    Attributes:
        rows: Output of `transform`, read lazily from the disk.
        plan: Plan by which the file was read.
        status_counts: Number of rows of each status.
        missing_shares: Share (0-1) of the raw rows in which each field is missing.
    """

    rows: pl.LazyFrame
    plan: LabelledReadPlan
    status_counts: Mapping[RowStatus, int]
    missing_shares: Mapping[str, float]

    @property
    def kept(self) -> pl.LazyFrame:
        return self.rows.filter(pl.col(STATUS) == RowStatus.KEPT.value)

    @property
    def rejected(self) -> pl.LazyFrame:
        return self.rows.filter(pl.col(STATUS) == RowStatus.QUARANTINED.value)

    def summarize_reasons(self) -> str:
        """Summarize the most frequent causes of the quarantine."""
        fields = [column.field for column in self.plan.all_columns]
        return summarize_causes(self.rejected, fields, line=LINE, reason=REASON)


def stage(file: InputFile, raw: RawRows, use_case: UseCase, last_day: date) -> StagedRows:
    """Transform the raw rows into a file beside the extracted one.

    Raises:
        SourceError: The file cannot be parsed, holds no row, or a code that only another dialect knows.
        ContractError: No row can be used.
        StoreError: The disk is full.
    """
    plan = plan_dialect_read(use_case, raw.dialect, raw.absent_fields, file.text_format.decimal_marks)
    rows, path = nw.from_native(raw.frame), file.path.with_name(STAGED_FILE)
    with translate_read_errors(file):
        _write_parquet(transform(rows, use_case, plan, last_day=last_day).to_native(), path)
        missing = (
            compute_missing_shares(rows, plan).to_native().collect(engine="streaming").row(0, named=True)
        )
    # from here on the rows come from the disk: the raw text is parsed once, not for every check
    typed = pl.scan_parquet(path)
    counts = dict(typed.group_by(STATUS).len().collect(engine="streaming").iter_rows())
    staged = StagedRows(
        rows=typed,
        plan=plan,
        status_counts={status: counts.get(status.value, 0) for status in RowStatus},
        missing_shares=missing,
    )
    if staged.status_counts[RowStatus.QUARANTINED]:
        refuse_foreign_codes(staged.rejected, plan, use_case, raw.dialect, file.source_name)
    _require_usable_rows(staged, file.source_name, use_case)
    return staged


def plan_dialect_read(
    use_case: UseCase, dialect: Dialect, absent: Sequence[str], decimal: str = POINT
) -> LabelledReadPlan:
    """Plan the reading of a file in a dialect that lacks some optional fields."""
    sources = {name: column for name, column in map_columns(use_case, dialect).items() if name not in absent}
    return plan_labelled_read(use_case, sources, dialect, decimal)


def write_data_files(
    staged: StagedRows, split_rows: pl.LazyFrame, fields: Sequence[Field], folder: Path
) -> Mapping[str, Path]:
    """Write `train`, `test` and `quarantine` into files.

    Args:
        staged: All rows.
        split_rows: Usable rows with the column `TEST`.
        fields: Fields to publish.
        folder: Folder of the files.

    Raises:
        StoreError: The disk is full.
    """
    # Polars' row index is UInt32, which pandera's contract and Spark do not share
    line = pl.col(LINE).cast(pl.Int64).alias(SOURCE_LINE)
    has_identifier = ROW_IDENTIFIER in staged.rows.collect_schema()
    origin = [line, *([pl.col(ROW_IDENTIFIER).alias(IDENTIFIER)] if has_identifier else [])]
    names = (*(field.name for field in fields), staged.plan.target.field.name)
    published = [*origin, pl.col(*names)]
    raw = staged.plan.raw_columns
    renamed = rename_clashing_columns([*raw.values()], {SOURCE_LINE, IDENTIFIER, "reason"})
    texts = (pl.col(name).alias(new) for name, new in zip(raw, renamed, strict=True))
    frames = {
        "train": split_rows.filter(~pl.col(TEST)).select(published),
        "test": split_rows.filter(TEST).select(published),
        "quarantine": staged.rejected.select(*origin, pl.col(REASON).alias("reason"), *texts),
    }
    files = {name: folder / f"{name}.parquet" for name in frames}
    for name, frame in frames.items():
        _write_parquet(frame, files[name])
    return files


def _write_parquet(frame: pl.LazyFrame, path: Path) -> None:
    try:
        frame.sink_parquet(path, engine="streaming")
    except (pl.exceptions.ComputeError, OSError) as error:
        # Polars wraps the operating system's error in one of its own, without errno
        if DISK_FULL in str(error):
            remedy = "the disk is full; free some space or set TMPDIR to a folder on another disk"
            raise StoreError("work folder", str(path.parent), remedy) from error
        raise


def _require_usable_rows(staged: StagedRows, source_name: str, use_case: UseCase) -> None:
    counts, read = staged.status_counts, sum(staged.status_counts.values())
    if not read:
        raise SourceError(source_name, "it holds the column names and no row")
    if counts[RowStatus.KEPT]:
        return
    if counts[RowStatus.QUARANTINED]:
        raise ContractError(
            source_name, f"every labelled row is rejected, mostly because {staged.summarize_reasons()}"
        )
    if counts[RowStatus.LATER]:
        raise ContractError(
            source_name, f"none of the {read} rows is of the period or before it; see --period"
        )
    raise ContractError(
        source_name, f"none of the {read} rows is labelled: {use_case.target.column!r} is missing"
    )
