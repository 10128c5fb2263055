"""A production stream for a backtest: dated rows as clients would send them, each with its truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import narwhals as nw
import numpy as np
import polars as pl

from servicio_ml.domain.ports import Progress
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import Fault, SourceError, UseCaseError
from servicio_ml.features.check import Checker
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.pipeline.ingest import SURPLUS, columns_of, parse_problem, read_rows, take_snapshot
from servicio_ml.pipeline.period import last_day
from servicio_ml.pipeline.plan import Plan, reading, target_field
from servicio_ml.pipeline.rows import true_values
from servicio_ml.pipeline.transform import FLAWED, offered


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Rows in the order of their dates.

    Attributes:
        rows: `LINE`, `FLAWED`, the model's fields, and the target, null where the truth never came.
        use_case: Whose rows they are.
        schema: The model's.
    """

    rows: pl.DataFrame
    use_case: UseCase
    schema: FeatureSchema

    @property
    def dates(self) -> pl.Series:
        return self.rows[self.use_case.event_date]

    @property
    def ends(self) -> tuple[date, date]:
        """The first date and the last."""
        dates = self.dates.to_list()
        return dates[0], dates[-1]

    @property
    def target(self) -> str:
        return self.use_case.target.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """The rows of some time as a server gets them.

    Attributes:
        matrix: `[n, features]` of those that are taken.
        truths: `[n]`: class codes, or numbers; NaN where the truth never comes.
        refused: Of each of the others, what is wrong with it.
    """

    matrix: Matrix
    truths: np.ndarray[tuple[int], np.dtype[np.float64]]
    refused: Sequence[Sequence[Fault]]


def read_stream(
    source: Path, named: str, use_case: UseCase, schema: FeatureSchema, folder: Path, progress: Progress
) -> Stream:
    """The rows of a raw file of the use case, read as its ETL reads them, but none of them judged.

    Args:
        source: CSV or Parquet.
        named: What the user called it.
        use_case: It must name the date by which rows are ordered.
        schema: Of the model that is to answer them.
        folder: For a copy of the file.
        progress: Who waits.

    Raises:
        UseCaseError: Its rows bear no date.
        DataError: The file cannot be read.
    """
    if use_case.event_date not in schema.field_names:
        raise UseCaseError(
            use_case.name, "its rows bear no date (event_date), so that no time can be replayed"
        )
    snapshot = take_snapshot(source, named, folder)
    raw = read_rows(snapshot, use_case)
    sources = columns_of(use_case, raw.dialect)
    present = {name: column for name, column in sources.items() if column in raw.columns}
    plan = _plan(use_case, schema, present, raw.dialect.parse)
    frame = raw.frame.filter(pl.col(SURPLUS).is_null())
    try:
        rows: pl.DataFrame = offered(nw.from_native(frame), plan, use_case.target).to_native().collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise parse_problem(snapshot, error) from error
    dated = rows.filter(pl.col(use_case.event_date).is_not_null())
    if undated := len(rows) - len(dated):
        progress.warn(f"{undated} rows without a date are left out")
    return Stream(rows=dated.sort(use_case.event_date, maintain_order=True), use_case=use_case, schema=schema)


def _plan(
    use_case: UseCase, schema: FeatureSchema, present: Mapping[str, str], parses: Mapping[str, Parse]
) -> Plan:
    """How the texts become values whatever the limits: those are the server's to judge."""
    lenient = [replace(each, minimum=None, maximum=None, nullable=True) for each in schema.fields]
    read = reading((*lenient, target_field(use_case.target)), present, parses, use_case.missing)
    return Plan(raw=read.raw, columns=read.columns[:-1], target=read.columns[-1])


def between(stream: Stream, first: str, last: str) -> Stream:
    """The rows from the first month to the last, both `YYYY-MM`.

    Raises:
        SettingsError: One of them is no month.
        SourceError: There are none.
    """
    start, end = last_day(first, "--from").replace(day=1), last_day(last, "--to")
    rows = stream.rows.filter(stream.dates.is_between(start, end))
    if not len(rows):
        found = "; its rows are from {} to {}".format(*stream.ends) if len(stream.rows) else ""
        raise SourceError("the stream", f"no row is dated from {start} to {end}{found}")
    return replace(stream, rows=rows)


def sampled(stream: Stream, rows_per_month: int, seed: int) -> Stream:
    """At most so many rows of each month, chosen by a seed; their order stays."""
    random = np.random.default_rng(seed)
    months = stream.dates.dt.truncate("1mo").to_numpy()
    kept = [
        np.sort(random.permutation(np.nonzero(months == month)[0])[:rows_per_month])
        for month in np.unique(months)
    ]
    return replace(stream, rows=stream.rows[np.concatenate(kept)])


def requests(stream: Stream, rows: pl.DataFrame) -> Requests:
    """Some of a stream's rows as requests of one row each."""
    encoder, checker = Encoder(stream.schema), Checker(stream.schema)
    with np.errstate(over="ignore"):  # what float32 cannot hold is out of range
        matrix = encoder.frame(rows)
    flawed = rows[FLAWED].to_list()
    bad = checker.bad(matrix).any(axis=1) | np.array([bool(names) for names in flawed], dtype=bool)
    refused = [
        _faults(stream.schema, flawed[row].split(",") if flawed[row] else [], checker, matrix[row : row + 1])
        for row in np.nonzero(bad)[0]
    ]
    good = rows.filter(~bad)
    truths = np.full(len(good), np.nan)
    known = good[stream.target].is_not_null().to_numpy()
    truths[known] = true_values(stream.use_case.target, good.filter(known))
    return Requests(matrix=matrix[~bad], truths=truths, refused=refused)


def _faults(schema: FeatureSchema, flawed: Sequence[str], checker: Checker, row: Matrix) -> list[Fault]:
    """Texts that cannot be read, then what the server finds wrong with the other values of a row."""
    unread = [_unread(schema.field(name)) for name in flawed]
    return [*unread, *(fault for fault in checker.faults(row) if fault.field not in flawed)]


def _unread(each: Field) -> Fault:
    reason = "level" if each.kind is Kind.CATEGORY else "type"
    return Fault(row=0, field=each.name, value="a text", allowed=each.allowed, reason=reason)
