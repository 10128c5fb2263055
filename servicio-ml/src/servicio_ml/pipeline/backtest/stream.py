"""A production stream for a backtest: dated rows as clients would send them, each with its truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import narwhals as nw
import numpy as np
import polars as pl

from servicio_ml.domain.ports.progress import Progress
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.use_case import Dialect, UseCase
from servicio_ml.errors import FieldError, SourceError, UseCaseError
from servicio_ml.features.check import SchemaChecker
from servicio_ml.features.encoder import Encoder, Matrix, Values
from servicio_ml.pipeline.etl.period import get_last_day
from servicio_ml.pipeline.etl.staging import plan_dialect_read
from servicio_ml.pipeline.reading.columns import LabelledReadPlan, build_target_field, plan_read
from servicio_ml.pipeline.reading.dialects import map_columns
from servicio_ml.pipeline.reading.foreign_codes import refuse_foreign_codes, select_texts
from servicio_ml.pipeline.reading.input_file import build_parse_error, copy_input_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.pipeline.reading.text import SURPLUS
from servicio_ml.pipeline.reading.transform import INVALID_FIELDS, transform_labelled
from servicio_ml.pipeline.training.dataset import read_true_values


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledStream:
    """Rows in the order of their dates.

    Attributes:
        rows: `LINE`, `FLAWED`, the model's fields, and the target, null where the truth never came.
        use_case: Use case of the rows.
        schema: The model's.
    """

    rows: pl.DataFrame
    use_case: UseCase
    schema: FeatureSchema

    @property
    def dates(self) -> pl.Series:
        return self.rows[self.use_case.event_date].cast(pl.Date)

    @property
    def ends(self) -> tuple[date, date]:
        """The first date and the last."""
        dates = self.dates.to_list()
        return dates[0], dates[-1]

    @property
    def target(self) -> str:
        return self.use_case.target.name


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRequests:
    """The rows of some time as a server gets them.

    Attributes:
        matrix: `[n, features]` of those that are taken.
        truths: `[n]`: class codes, or numbers; NaN where the truth never comes.
        refused: Field errors of each rejected row.
    """

    matrix: Matrix
    truths: np.ndarray[tuple[int], np.dtype[np.float64]]
    refused: Sequence[Sequence[FieldError]]


def read_stream(
    source: Path, named: str, use_case: UseCase, schema: FeatureSchema, folder: Path, progress: Progress
) -> LabelledStream:
    """Read the rows of a raw file as the ETL reads them, but judge none of them.

    Args:
        source: CSV, JSON lines or Parquet.
        named: What the user called it.
        use_case: Use case that names the date by which rows are ordered.
        schema: Feature schema of the model that predicts them.
        folder: For a copy of the file.
        progress: Who waits.

    Raises:
        UseCaseError: Its rows bear no date.
        DataError: The file cannot be read, or holds a code that only another dialect knows.
    """
    if use_case.event_date not in schema.field_names:
        raise UseCaseError(
            use_case.name, "its rows bear no date (event_date), so that no time can be replayed"
        )
    # a copy, so that a file that changes during the replay is not read twice differently
    snapshot = copy_input_file(source, named, folder)
    raw = read_rows(snapshot, use_case)
    sources = map_columns(use_case, raw.dialect)
    present = {name: columns for name, columns in sources.items() if {*columns} <= {*raw.columns}}
    plan = _plan_columns(use_case, schema, present, raw.dialect, snapshot.text_format.decimal_marks)
    frame = raw.frame.filter(pl.col(SURPLUS).is_null())
    try:
        _warn_of_malformed_lines(raw.frame, progress)
        rows: pl.DataFrame = (
            transform_labelled(nw.from_native(frame), plan, use_case.target).to_native().collect()
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise build_parse_error(snapshot, error) from error
    # with the limits, as in the ETL: a value out of the range of one dialect may be in that of another
    strict = plan_dialect_read(use_case, raw.dialect, raw.absent_fields, snapshot.text_format.decimal_marks)
    refuse_foreign_codes(select_texts(frame, strict), strict, use_case, raw.dialect, named)
    dated = rows.filter(pl.col(use_case.event_date).is_not_null())
    if undated := len(rows) - len(dated):
        progress.warn(f"{undated} rows without a date are left out")
    return LabelledStream(
        rows=dated.sort(use_case.event_date, maintain_order=True), use_case=use_case, schema=schema
    )


def _warn_of_malformed_lines(rows: pl.LazyFrame, progress: Progress) -> None:
    malformed = rows.select(pl.col(SURPLUS).is_not_null().sum()).collect(engine="streaming").item()
    if malformed:
        progress.warn(f"{malformed} lines with more or fewer fields than there are columns are left out")


def _plan_columns(
    use_case: UseCase,
    schema: FeatureSchema,
    present: Mapping[str, tuple[str, ...]],
    dialect: Dialect,
    decimal: str,
) -> LabelledReadPlan:
    """How the texts become values whatever the limits: those are the server's to judge."""
    # without limits here: the server itself must refuse what is out of range
    lenient = [replace(each, minimum=None, maximum=None, nullable=True) for each in schema.fields]
    read = plan_read(
        (*lenient, build_target_field(use_case.target)), present, dialect, use_case.missing, decimal
    )
    return LabelledReadPlan(raw_columns=read.raw_columns, columns=read.columns[:-1], target=read.columns[-1])


def select_months(stream: LabelledStream, first: str, last: str) -> LabelledStream:
    """The rows from the first month to the last, both `YYYY-MM`.

    Raises:
        SettingsError: One of them is no month.
        SourceError: There are none.
    """
    start, end = get_last_day(first, "--from").replace(day=1), get_last_day(last, "--to")
    rows = stream.rows.filter(stream.dates.is_between(start, end))
    if not len(rows):
        found = "; its rows are from {} to {}".format(*stream.ends) if len(stream.rows) else ""
        raise SourceError("the stream", f"no row is dated from {start} to {end}{found}")
    return replace(stream, rows=rows)


def sample_months(stream: LabelledStream, rows_per_month: int, seed: int) -> LabelledStream:
    """Choose at most `rows_per_month` rows of each month by a seed, in their order."""
    random = np.random.default_rng(seed)
    months = stream.dates.dt.truncate("1mo").to_numpy()
    # sorted again, as a permutation would lose the order in time within the month
    kept = [
        np.sort(random.permutation(np.nonzero(months == month)[0])[:rows_per_month])
        for month in np.unique(months)
    ]
    return replace(stream, rows=stream.rows[np.concatenate(kept)])


def build_requests(stream: LabelledStream, rows: pl.DataFrame) -> DayRequests:
    """Some of a stream's rows as requests of one row each."""
    encoder, checker = Encoder(stream.schema), SchemaChecker(stream.schema)
    values = encoder.read_frame(rows)
    flawed = rows[INVALID_FIELDS].to_list()
    bad = checker.mark_invalid(values).any(axis=1) | np.array([bool(names) for names in flawed], dtype=bool)
    refused = [
        _find_faults(
            stream.schema, flawed[row].split(",") if flawed[row] else [], checker, values[row : row + 1]
        )
        for row in np.nonzero(bad)[0]
    ]
    good = rows.filter(~bad)
    truths = np.full(len(good), np.nan)
    known = good[stream.target].is_not_null().to_numpy()
    truths[known] = read_true_values(stream.use_case.target, good.filter(known))
    matrix = encoder.encode_values(values[~bad])
    return DayRequests(matrix=matrix, truths=truths, refused=refused)


def _find_faults(
    schema: FeatureSchema, flawed: Sequence[str], checker: SchemaChecker, row: Values
) -> list[FieldError]:
    """Texts that cannot be read, then what the server finds wrong with the other values of a row."""
    unread = [_build_unreadable_fault(schema.get_field(name)) for name in flawed]
    return [*unread, *(fault for fault in checker.find_faults(row) if fault.field not in flawed)]


def _build_unreadable_fault(each: Field) -> FieldError:
    reason = "level" if each.kind is Kind.CATEGORY else "type"
    return FieldError(row=0, field=each.name, value="a text", allowed=each.allowed, reason=reason)
