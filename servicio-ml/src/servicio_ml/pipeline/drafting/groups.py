"""Groups: a column that names a thing, such as a customer, with several rows that are alike."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.values import MAX_WHOLE_NUMBER
from servicio_ml.pipeline.drafting.cells.names import build_field_names
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding
from servicio_ml.pipeline.drafting.evidence import Evidence
from servicio_ml.pipeline.drafting.matrix import Numbers, build_problem
from servicio_ml.pipeline.drafting.reasons import format_reason

NAME = re.compile(
    r"(.*_)?(id|customer|client|patient|subject|person|user|member|player|student|household|account|device|"
    r"machine|vehicle|company|firm)(_(id|no|nr|number|code|key|name))?"
)
"""Name of a field that names a thing with several rows."""
IDENTIFIER = "an identifier by its name"
"""Reason of a column that was left out although its values occur in several rows."""
MIN_GROUPS, MIN_ROWS_PER_GROUP = 20, 2
"""Minimum number of groups, so that every fold has some, and minimum mean number of rows of a group."""
MIN_ALIKE = 0.2
"""Minimum share of the variance between groups beyond chance, as the mean of the columns and the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupColumn:
    """A column by whose values the rows are split.

    Attributes:
        column: Name of the raw column.
        field: Its field, which models do not read: the groups of later rows are new to them.
        reason: What was seen.
    """

    column: str
    field: Field
    reason: str


def choose_group_column(evidence: Evidence) -> GroupColumn | None:
    """Choose the column whose groups are the most alike; None where none names groups."""
    problem = build_problem([each for each in evidence.findings if each.field], evidence.target)
    table = np.column_stack([problem.features, problem.target])
    found = []
    for finding, field, groups in _list_columns(evidence):
        alike = compute_likeness(table, groups[problem.rows])
        if alike >= MIN_ALIKE:
            count, rows = groups.n_unique(), len(groups) / groups.n_unique()
            reason = format_reason(
                "{number} groups of {rows} rows that share {share} of the variance beyond chance",
                number=count, rows=f"{rows:.1f}", share=f"{alike:.0%}",
            )  # fmt: skip
            found.append((alike, GroupColumn(column=finding.column, field=field, reason=reason)))
    return max(found, key=lambda each: each[0])[1] if found else None


def _list_columns(evidence: Evidence) -> Iterator[tuple[ColumnFinding, Field, pl.Series]]:
    """List the columns that have the name and the number of groups, each with its field and values."""
    names = build_field_names(evidence.table.cells.columns)
    for finding in evidence.findings:
        if finding.column not in names:
            continue
        field = finding.field or _build_identifier(finding, names[finding.column], evidence)
        if field is None or not NAME.fullmatch(field.name) or field.nullable or field.is_dated:
            continue
        groups = evidence.table.cells[finding.column]
        if MIN_GROUPS <= groups.n_unique() <= len(groups) / MIN_ROWS_PER_GROUP:
            yield finding, replace(field, direct=False), groups


def _build_identifier(finding: ColumnFinding, name: str, evidence: Evidence) -> Field | None:
    """Build the field of an identifier that was left out; None where its values are no whole numbers."""
    if IDENTIFIER not in finding.reason:
        return None
    numbers = evidence.table.cells[finding.column].cast(pl.Float64, strict=False)
    whole = not numbers.null_count() and bool((numbers == numbers.floor()).all())
    if not whole or bool((numbers.abs() > MAX_WHOLE_NUMBER).any()):
        return None
    return Field(name=name, kind=Kind.INTEGER, column=finding.column)


def compute_likeness(table: Numbers, groups: pl.Series) -> float:
    """Compute the mean share of the columns' variance that lies between groups, 0 by chance.

    The share is ε² of a one-way analysis of variance (Kelley 1935): 1 - (SSW / (n - k)) / (SST / (n - 1)).

    Args:
        table: Rows by columns; rows without a value do not count.
        groups: Group of each row.
    """
    codes = groups.rank("dense").to_numpy().astype(int)
    shares = [_compute_share(column, codes) for column in table.T]
    return float(np.mean([share for share in shares if share is not None] or [0.0]))


def _compute_share(column: Numbers, codes: npt.NDArray[np.int64]) -> float | None:
    present = ~np.isnan(column)
    values, _, positions = column[present], *np.unique(codes[present], return_inverse=True)
    sizes = np.bincount(positions)
    total = float(((values - values.mean()) ** 2).sum()) if len(values) else 0.0
    if not total or len(values) <= len(sizes):
        return None
    means = np.bincount(positions, weights=values) / sizes
    within = float(((values - means[positions]) ** 2).sum())
    return max(0.0, 1 - within / (len(values) - len(sizes)) / (total / (len(values) - 1)))
