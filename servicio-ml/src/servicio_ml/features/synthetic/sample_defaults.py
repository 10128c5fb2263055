"""Default columns of a synthetic sample, from the schema: ranges, levels and correlation with the target."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import floor, log10

from servicio_ml.domain.sample import Factor, Marginal, SampleColumn, SyntheticSample, Text
from servicio_ml.domain.schema import Field, Kind, Parse
from servicio_ml.domain.use_case import Target, UseCase
from servicio_ml.features.synthetic.joined_columns import build_joined_columns
from servicio_ml.features.synthetic.shared_columns import build_shared_template

LOADING = 0.6
"""Loading of a default column on the first factor: enough for a model to fit."""
TARGET_LOADING = 0.95
MISSING = 0.05
"""Share of missing values of a nullable default column."""
HOURS = 24
DAYS = 730
"""Length of a default range of dates, in days."""
MADE_UP_LEVELS = 30
"""Number of texts of a category whose levels are learned."""
STEPS = 1000
"""Minimum number of distinct values of a default number."""


def complete_sample(use_case: UseCase) -> SyntheticSample:
    """Complete the sample of a use case with defaults for the required raw columns that it leaves out."""
    sample = use_case.sample
    columns: dict[str, SampleColumn] = {**sample.columns}
    known = {*columns, sample.panel.date, sample.panel.entity} if sample.panel else {*columns}
    hidden = [*sample.hidden]
    for sharing in _group_missing_fields(use_case.schema.fields, known):
        built = _build_columns(use_case, sharing)
        columns |= built
        hidden += [name for name in built if name != sharing[0].columns[0]]
    columns = _build_joined_columns(use_case, {*columns, *known}) | columns
    if use_case.identifier and use_case.identifier not in {*known, *columns}:
        columns[use_case.identifier] = Text(templates={"{row}": 1.0})
    if use_case.target.column not in known:
        columns[use_case.target.column] = _build_target_column(use_case.target)
    return replace(
        sample, columns=columns, hidden=tuple(hidden), factors=sample.factors or (Factor(name="target"),)
    )


def _group_missing_fields(fields: Sequence[Field], known: Collection[str]) -> Iterator[list[Field]]:
    """Group the fields of each required raw column that is not known."""
    for columns in dict.fromkeys(each.columns for each in fields if not each.optional):
        if len(columns) == 1 and columns[0] not in known:
            yield [each for each in fields if each.columns == columns]


def _build_joined_columns(use_case: UseCase, known: Collection[str]) -> dict[str, SampleColumn]:
    """Build the columns of required joined fields that are not known."""
    joined = [each for each in use_case.schema.fields if len(each.columns) > 1 and not each.optional]
    parts = (build_joined_columns(use_case.name, each, known) for each in joined)
    return {column: marginal for each in parts for column, marginal in each.items()}


def _build_columns(use_case: UseCase, sharing: Sequence[Field]) -> dict[str, SampleColumn]:
    """Build the raw column of some fields, and hidden columns for the parts of its text."""
    first, (column,) = sharing[0], sharing[0].columns
    if len(sharing) == 1:
        return (
            _build_moment_columns(first, column)
            if first.kind is Kind.DATETIME
            else _build_column(first, column)
        )
    template = build_shared_template(use_case.name, sharing)
    # a template has a place for each value, so that none may be missing
    values = {each.name: _build_field_column(replace(each, nullable=False)) for each in sharing}
    return {**values, column: Text(templates={template: 1.0})}


def _build_column(each: Field, column: str) -> dict[str, SampleColumn]:
    return {column: _build_field_column(each)}


def _build_moment_columns(each: Field, column: str) -> dict[str, SampleColumn]:
    """Build the raw column of a date-time, of a day and an hour."""
    day, hour = f"{each.name}_day", f"{each.name}_hour"
    missing = MISSING if each.nullable else 0.0
    return {
        day: _build_field_column(replace(each, nullable=False)),
        hour: _build_number_column(0, HOURS - 1, LOADING, 0.0, integer=True),
        column: Text(templates={f"{{{day}}}T{{{hour}:02.0f}}:00:00": 1.0}, missing=missing),
    }


def _build_field_column(each: Field) -> Marginal:
    missing = MISSING if each.nullable else 0.0
    if each.has_levels:
        # of learned levels, the texts are not known before a file is read
        levels = each.levels or tuple(f"{each.name} {number}" for number in range(1, MADE_UP_LEVELS + 1))
        return _build_level_shares(levels, each.parse, missing, LOADING)
    if each.kind is Kind.TEXT:
        shares = {f"{each.name} {number} of {MADE_UP_LEVELS}": 1.0 for number in range(1, MADE_UP_LEVELS + 1)}
        return Marginal(shares=shares, missing=missing, loadings=(LOADING,))
    if each.is_dated:
        last = datetime.fromisoformat(str(each.example)).date()
        first = last - timedelta(days=DAYS)
        return Marginal(dates=(first.isoformat(), last.isoformat()), loadings=(LOADING,), missing=missing)
    example = float(each.example)
    low = example - max(abs(example), 1.0) if each.minimum is None else each.minimum
    high = example + max(abs(example), 1.0) if each.maximum is None else each.maximum
    return _build_number_column(low, high, LOADING, missing, integer=each.kind is Kind.INTEGER)


def _build_target_column(target: Target) -> Marginal:
    if not target.numeric:
        return _build_level_shares(target.labels, target.parse, 0.0, TARGET_LOADING)
    low = min((0.0, *target.edges)) if target.minimum is None else target.minimum
    high = max((low + 1, *(cut + 1 for cut in target.edges))) if target.maximum is None else target.maximum
    return _build_number_column(low, high, TARGET_LOADING, 0.0, integer=False)


def _build_level_shares(levels: tuple[str, ...], parse: Parse, missing: float, loading: float) -> Marginal:
    """Build equal shares of the levels, as the texts of the raw file."""
    raw = {level: text for text, level in reversed([*parse.recode.items()])}
    return Marginal(
        shares={raw.get(level, level): 1.0 for level in levels}, missing=missing, loadings=(loading,)
    )


def _build_number_column(
    low: float, high: float, loading: float, missing: float, *, integer: bool
) -> Marginal:
    step = 1.0 if integer or high == low else 10.0 ** floor(log10((high - low) / STEPS))
    return Marginal(quantiles={0: low, 1: high}, step=step, missing=missing, loadings=(loading,))
