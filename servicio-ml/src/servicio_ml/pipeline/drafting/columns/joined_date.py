"""Dates whose year, month and day are columns of their own."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from servicio_ml.domain.fields.date_format import build_date_pattern
from servicio_ml.domain.schema import Parse
from servicio_ml.pipeline.drafting.columns.date import build_date_finding
from servicio_ml.pipeline.drafting.columns.raw_column import MIN_READABLE, ColumnFinding, RawColumn
from servicio_ml.pipeline.drafting.columns.statistics import compute_share
from servicio_ml.pipeline.drafting.reasons import format_reason
from servicio_ml.pipeline.reading.dates.day_text import WHOLE_PART

FORMATS = ("%Y %m %d", "%Y %b %d")
PART_NAMES = tuple(
    re.compile(f"(?P<what>(?:.*_)?)(?:{names})")
    for names in ("year|yr|yyyy", "month|mon|mth|mm", "day_of_month|day_of_the_month|day|dom|mday|dd")
)
"""Names of the fields of a year, a month and a day, behind what they are of (`birth_`)."""


def join_dates(columns: Sequence[RawColumn], findings: Sequence[ColumnFinding]) -> list[ColumnFinding]:
    """Find the dates in columns of a year, a month and a day, which are then no fields of their own.

    Args:
        columns: Columns that may be joined.
        findings: What every column is by itself, in the order of the file.
    """
    found = list(findings)
    names = {column.field_name.replace("_", "") for column in columns}
    for name, parts in _list_parts(columns).items():
        date = _find_date(name, parts)
        # GraphQL drops the underscores
        if date and name.replace("_", "") not in names:
            found = [*_replace_parts(found, date, [part.name for part in parts])]
    return found


def _list_parts(columns: Sequence[RawColumn]) -> Mapping[str, Sequence[RawColumn]]:
    """List the columns of a year, a month and a day by the name of their date."""
    years, months, days = (dict(_list_named(columns, pattern)) for pattern in PART_NAMES)
    return {
        (what if what.endswith("date_") else f"{what}date_").rstrip("_"): (year, months[what], days[what])
        for what, year in years.items()
        if what in months and what in days
    }


def _list_named(columns: Sequence[RawColumn], name: re.Pattern[str]) -> Iterator[tuple[str, RawColumn]]:
    for column in columns:
        if match := name.fullmatch(column.field_name):
            yield match["what"], column


def _find_date(name: str, parts: Sequence[RawColumn]) -> ColumnFinding | None:
    texts = [part.texts.str.replace(*WHOLE_PART) for part in parts]
    joined = pl.select(pl.concat_str(texts, separator=" ")).to_series()
    column = RawColumn(name=parts[0].name, field_name=name, texts=joined, decimal=parts[0].decimal)
    for date_format in FORMATS:
        if compute_share(column.present.str.contains(build_date_pattern(date_format))) >= MIN_READABLE:
            what = format_reason("days, of which year, month and day are columns")
            return build_date_finding(column, joined, Parse(date_format=date_format), what)
    return None


def _replace_parts(
    findings: Sequence[ColumnFinding], date: ColumnFinding, parts: Sequence[str]
) -> Iterator[ColumnFinding]:
    for finding in findings:
        if finding.column == parts[0] and date.field:
            # the description is that of all columns
            field = replace(date.field, column=tuple(parts), description="")
            yield replace(date, field=field)
        elif finding.column in parts[1:] and date.field:
            yield finding.leave_out(format_reason("a part of {field}", field=date.field.name))
        else:
            yield finding
