"""Dates: days as YYYY-MM-DD or in another format, with or without a time of day."""

from dataclasses import replace

import narwhals as nw
import polars as pl

from servicio_ml.domain.fields.date_format import build_date_pattern
from servicio_ml.domain.schema import Field, Kind, Parse
from servicio_ml.domain.values import DATE_CHARACTERS, DATE_PATTERN
from servicio_ml.pipeline.drafting.columns.raw_column import (
    MIN_READABLE,
    ColumnFinding,
    RawColumn,
    describe_rest,
    quote,
)
from servicio_ml.pipeline.drafting.columns.statistics import compute_share, find_bounds
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons
from servicio_ml.pipeline.reading.day_text import parse_day

MOMENT_PATTERN = r"^(\d{4}-\d{2}-\d{2})(?:[T ]\d|$)"
"""A day with a time of day, which a workbook lacks at midnight."""
OTHER_MOMENT_PATTERN = r"^(\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4})[T ]+\d"
HOUR_PATTERN = r"^[\d/.-]+[T ]+(\d{1,2}):.*$"
"""The hour of a day with a time of day; it matches the whole text, whose other numbers are not the hour's."""
TWELVE_HOURS_PATTERN = r"(?i)\d\s*[ap]\.?m"
LAST_HOUR = 23
ORDERS = ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%d{0}%m{0}%y", "%m{0}%d{0}%y", "%Y{0}%m{0}%d")
NAMED_FORMATS = ("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%b %d, %Y", "%b %d %Y")
FORMATS = (*(order.format(separator) for separator in "/.-" for order in ORDERS), *NAMED_FORMATS)
"""Formats of days other than YYYY-MM-DD."""


def find_date(column: RawColumn) -> ColumnFinding | None:
    """Find that a column holds days, with or without a time of day."""
    present = column.present
    if _compute_share(present, DATE_PATTERN) >= MIN_READABLE:
        return build_date_finding(column, column.texts, Parse(), format_reason("days as YYYY-MM-DD"))
    if _compute_share(present, MOMENT_PATTERN) >= MIN_READABLE:
        days = column.texts.str.extract(MOMENT_PATTERN)
        what = format_reason("moments, of which the day is read")
        return build_date_finding(column, days, Parse(pattern=MOMENT_PATTERN), what)
    return _find_formatted_date(column)


def _find_formatted_date(column: RawColumn) -> ColumnFinding | None:
    """Find that a column holds days of another format, if only one format reads them."""
    pattern = OTHER_MOMENT_PATTERN if _compute_share(column.present, OTHER_MOMENT_PATTERN) > 0 else ""
    texts = column.texts.str.extract(pattern) if pattern else column.texts
    fitting = _list_formats(texts.drop_nulls(), len(column.present))
    if not fitting:
        return None
    if len(fitting) > 1:
        formats = " or ".join(f"Parse(date_format={each!r})" for each in fitting)
        reason = join_reasons(
            format_reason(
                "dates such as {example}, of which no day is above 12", example=quote(column.present[0])
            ),
            format_reason("use them by parse={formats}", formats=formats),
        )
        return ColumnFinding(column=column.name, reason=reason)
    parse = Parse(pattern=pattern, date_format=fitting[0])
    what = (
        format_reason("moments, of which the day is read as {format}", format=fitting[0])
        if pattern
        else format_reason("days as {format}", format=fitting[0])
    )
    return build_date_finding(column, rewrite_days(texts, fitting[0]), parse, what)


def _list_formats(texts: pl.Series, rows: int) -> list[str]:
    """List the formats that read most texts; none if they read too few of the rows."""
    if len(texts) < MIN_READABLE * rows:
        return []
    shares = {each: _compute_share(texts, build_date_pattern(each)) for each in FORMATS}
    best = max(shares.values())
    return [each for each, share in shares.items() if share == best >= MIN_READABLE]


def rewrite_days(texts: pl.Series, date_format: str) -> pl.Series:
    """Rewrite days as YYYY-MM-DD; null where one is no day."""
    frame = nw.from_native(texts.rename("text").to_frame())
    days: pl.DataFrame = frame.select(parse_day(nw.col("text"), date_format).alias("day")).to_native()
    return days["day"].cast(pl.String)


def _compute_share(texts: pl.Series, pattern: str) -> float:
    return compute_share(texts.str.contains(pattern))


def build_date_finding(column: RawColumn, texts: pl.Series, parse: Parse, what: str) -> ColumnFinding:
    """Build the finding of a column of days.

    Args:
        column: The column.
        texts: Its days as YYYY-MM-DD, in the order of the rows.
        parse: Rules that take them from its texts.
        what: What the texts are, in words.
    """
    readable = texts.set(~texts.str.contains(DATE_PATTERN).fill_null(value=False), None)
    values = readable.str.slice(0, DATE_CHARACTERS).str.to_date("%Y-%m-%d", strict=False)
    first, last = find_bounds(values)
    field = column.build_field(Kind.DATE, example=last.isoformat(), parse=parse)
    hour = _build_hour(column, values)
    reason = join_reasons(
        what,
        format_reason("from {first} to {last} in the file", first=first, last=last),
        format_reason("{field} is the hour of the day", field=hour.name) if hour else "",
        describe_rest(column.texts, values),
    )
    return ColumnFinding(column=column.name, reason=reason, field=field, values=values, hour=hour)


def _build_hour(column: RawColumn, days: pl.Series) -> Field | None:
    """Build the field of the hour; None where a text has none or one of twelve hours, or all are alike."""
    texts = column.texts.filter(days.is_not_null())
    hours = texts.str.extract(HOUR_PATTERN).cast(pl.Int64)
    if hours.null_count() or hours.n_unique() == 1 or not (hours <= LAST_HOUR).all():
        return None
    if texts.str.contains(TWELVE_HOURS_PATTERN).any():
        return None
    return replace(
        column.build_field(Kind.INTEGER, minimum=0, maximum=LAST_HOUR, parse=Parse(pattern=HOUR_PATTERN)),
        name=f"{column.field_name}_hour",
        description="Hour of the day",
    )
