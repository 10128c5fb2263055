"""Check of a raw file against its use case before any ETL: what is quarantined, and why it may be refused."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from servicio_ml.domain.policy import LeakagePolicy
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import ContractError, DataError
from servicio_ml.lifecycle.overview import QuarantineOverview
from servicio_ml.pipeline.etl.leakage import find_leaks, select_model_fields
from servicio_ml.pipeline.etl.split import TEST, assign_split, select_identity_fields
from servicio_ml.pipeline.etl.staging import StagedRows, stage
from servicio_ml.pipeline.overview.rejected import summarize_quarantine
from servicio_ml.pipeline.reading.input_file import copy_input_file
from servicio_ml.pipeline.reading.raw_file import RawRows, read_rows
from servicio_ml.pipeline.reading.text import LINE
from servicio_ml.pipeline.reading.transform import REASON, RowStatus
from servicio_ml.pipeline.row_checks.duplicates import check_copies
from servicio_ml.pipeline.row_checks.precision import refuse_rounded_numbers
from servicio_ml.pipeline.row_checks.required_rows import describe_few_test_rows
from servicio_ml.pipeline.row_checks.staged_rows import (
    check_classes,
    check_identifiers,
    check_quarantine,
    check_split,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFileCheck:
    """What the ETL would do with a raw file.

    Attributes:
        source: Name by which the user knows the file.
        dialect: Name of its dialect.
        rows: Number of its rows.
        status_counts: `kept`, `quarantined` and so on to a number of rows; they add up to `rows`.
        quarantine: Sentences on the rejected values: field, number of rows, an example with its line.
        leaks: Reason by field that the ETL would leave out, as it gives the target away.
        ignored: Columns that the use case does not read.
        absent: Optional fields that the file lacks.
        problems: Reasons for which the ETL or `train` would refuse the file.
    """

    source: str
    dialect: str
    rows: int
    status_counts: Mapping[str, int]
    quarantine: Sequence[str]
    leaks: Mapping[str, str]
    ignored: Sequence[str]
    absent: Sequence[str]
    problems: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def check_raw_file(use_case: UseCase, source: Path, *, source_name: str) -> RawFileCheck:
    """Read every row of a raw file as the ETL does; nothing is published.

    Args:
        use_case: Use case that reads it.
        source: The raw file, in any format that `read_rows` reads.
        source_name: Name by which the user knows it, for messages.

    Raises:
        DataError: The file cannot be read, or no row of it can be used.
    """
    with tempfile.TemporaryDirectory(prefix="servicio-ml-check-") as folder:
        snapshot = copy_input_file(source, source_name, Path(folder))
        raw = read_rows(snapshot, use_case)
        staged = stage(snapshot, raw, use_case, date.max)
        leaks = find_leaks(staged.kept, select_model_fields(use_case, staged.plan), use_case.target)
        return RawFileCheck(
            source=source_name,
            dialect=raw.dialect.name,
            rows=sum(staged.status_counts.values()),
            status_counts={status.value: count for status, count in staged.status_counts.items()},
            quarantine=_describe_quarantine(staged),
            leaks=leaks,
            ignored=raw.ignored_columns,
            absent=raw.absent_fields,
            problems=[*_find_problems(use_case, raw, staged, leaks, source_name)],
        )


def _find_problems(
    use_case: UseCase, raw: RawRows, staged: StagedRows, leaks: Mapping[str, str], source_name: str
) -> Iterator[str]:
    """Find what the ETL would refuse; it stops at the first, this does not."""
    dropped = {*leaks, *raw.absent_fields, *use_case.non_features}
    if leaks and use_case.leaks is LeakagePolicy.FAIL:
        yield f"features give the target away: {'; '.join(leaks.values())}"
    needed = {use_case.split_date, use_case.split_group} - {""}
    if dropped.issuperset(use_case.schema.field_names) or needed & dropped:
        yield f"features that cannot be left out give the target away: {'; '.join(leaks.values())}"
        return
    schema = use_case.schema.drop_fields(dropped)
    checks = (
        lambda: check_copies(raw, staged, source_name, use_case),
        lambda: check_identifiers(staged, source_name, use_case),
        lambda: check_quarantine(staged, source_name, use_case),
        lambda: check_classes(staged, source_name, use_case),
        lambda: refuse_rounded_numbers(staged.kept, schema),
    )
    for check in checks:
        try:
            check()
        except ContractError as error:
            yield _get_problem(error, source_name)
    try:
        rows = assign_split(staged.kept, use_case.split, select_identity_fields(schema))
        check_split(rows, source_name, use_case)
    except DataError as error:
        yield _get_problem(error, source_name)
        return
    tests = int(rows.filter(TEST).select(pl.len()).collect(engine="streaming").item())
    if problem := describe_few_test_rows(use_case, tests):
        yield f"`train` would refuse the period: {problem}"


def _get_problem(error: DataError, source_name: str) -> str:
    """Return the problem without the name of the file and what the ETL would have done."""
    return f"{error}".removeprefix(f"{source_name}: ").removesuffix("; nothing was published")


def _describe_quarantine(staged: StagedRows) -> list[str]:
    """Describe the rejected values, those of most rows first."""
    if not staged.status_counts[RowStatus.QUARANTINED]:
        return []
    line, reason = pl.col(LINE).cast(pl.Int64).alias("line"), pl.col(REASON).alias("reason")
    rejected = staged.rejected.select(line, reason, *staged.plan.raw_columns)
    return [*_list_reasons(summarize_quarantine(rejected, staged.plan))]


def _list_reasons(overview: QuarantineOverview) -> Iterator[str]:
    examples = {(each.field, each.problem): each for each in reversed(overview.examples)}
    for reason in overview.reasons:
        rows = "1 row" if reason.rows == 1 else f"{reason.rows} rows"
        example = examples.get((reason.field, reason.problem))
        where = "" if example is None else f", first in line {example.line}"
        shown = "" if example is None or example.value is None else f" (such as {example.value!r})"
        yield f"{reason.field or 'line'}: {reason.problem}{shown}: {rows}{where}"
