"""Dates: days as YYYY-MM-DD or in another format, with or without a time of day."""

from dataclasses import replace

import narwhals as nw
import polars as pl

from servicio_ml.domain.fields.date_format import build_date_pattern
from servicio_ml.domain.schema import Field, Kind, Parse
from servicio_ml.domain.values import DATE_PATTERN
from servicio_ml.pipeline.drafting.columns.raw_column import (
    MIN_READABLE,
    ColumnFinding,
    RawColumn,
    describe_rest,
    quote,
)
from servicio_ml.pipeline.drafting.columns.statistics import compute_share, find_bounds
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons
from servicio_ml.pipeline.reading.dates.date_time_text import parse_dated_text

MOMENT_PATTERN = r"^(\d{4}-\d{2}-\d{2})(?:[T ]\d|$)"
"""A day with a time of day, which a workbook lacks at midnight."""
OTHER_MOMENT_PATTERN = r"^(\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4})[T ]+\d"
TWELVE_HOURS_PATTERN = r"(?i)\d\s*[ap]\.?m"
OFFSET_PATTERN = r":\d{2}(?:\.\d+)? ?(?:Z|UTC|[+-]\d{2}.*)$"
ISO_FORMAT = "%Y-%m-%d"
ORDERS = ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%d{0}%m{0}%y", "%m{0}%d{0}%y", "%Y{0}%m{0}%d")
NAMED_FORMATS = ("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%b %d, %Y", "%b %d %Y")
FORMATS = (*(order.format(separator) for separator in "/.-" for order in ORDERS), *NAMED_FORMATS)
"""Formats of days other than YYYY-MM-DD."""


def find_datetime(column: RawColumn) -> ColumnFinding | None:
    """Find that a column holds days with different times of day."""
    date_format = _choose_moment_format(column.present)
    if date_format is None:
        return None
    if column.present.str.contains(TWELVE_HOURS_PATTERN).any():
        # a format of the day has its time read in both ways
        date_format = date_format or ISO_FORMAT
    has_offsets = column.present.str.contains(OFFSET_PATTERN).any()
    what = join_reasons(
        format_reason("date-times with the day as {format}", format=date_format)
        if date_format
        else format_reason("date-times"),
        format_reason("times count as they are written, whatever the offset") if has_offsets else "",
    )
    return build_datetime_finding(column, Parse(date_format=date_format), what)


def build_datetime_finding(column: RawColumn, parse: Parse, what: str) -> ColumnFinding | None:
    """Build the finding of a column of date-times; None where not enough are, or all have one time of day.

    Args:
        column: The column.
        parse: Rules that read its texts.
        what: Description of them.
    """
    field = column.build_field(Kind.DATETIME, parse=parse)
    moments = _parse_texts(column.texts, field)
    if moments.count() < MIN_READABLE * len(column.present) or moments.dt.time().drop_nulls().n_unique() == 1:
        return None
    first, last = find_bounds(moments)
    reason = join_reasons(
        what,
        format_reason("from {first} to {last} in the file", first=first, last=last),
        describe_rest(column.texts, moments),
    )
    example = replace(field, example=last.isoformat())
    return ColumnFinding(column=column.name, reason=reason, field=example, values=moments)


def _choose_moment_format(present: pl.Series) -> str | None:
    """Choose the format of the day of date-times, empty for ISO 8601; None where they are none, or of two."""
    if _compute_share(present, MOMENT_PATTERN) >= MIN_READABLE:
        return ""
    fitting = _list_formats(present.str.extract(OTHER_MOMENT_PATTERN).drop_nulls(), len(present))
    return fitting[0] if len(fitting) == 1 else None


def _parse_texts(texts: pl.Series, field: Field) -> pl.Series:
    frame = nw.from_native(texts.rename("text").to_frame())
    parsed = parse_dated_text(nw.col("text"), field, field.parse.date_format)
    values: pl.DataFrame = frame.select(parsed.alias("value")).to_native()
    return values["value"]


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
    return build_date_finding(column, texts, parse, what)


def _list_formats(texts: pl.Series, rows: int) -> list[str]:
    """List the formats that read most texts; none if they read too few of the rows."""
    if len(texts) < MIN_READABLE * rows:
        return []
    shares = {each: _compute_share(texts, build_date_pattern(each)) for each in FORMATS}
    best = max(shares.values())
    return [each for each, share in shares.items() if share == best >= MIN_READABLE]


def _compute_share(texts: pl.Series, pattern: str) -> float:
    return compute_share(texts.str.contains(pattern))


def build_date_finding(column: RawColumn, texts: pl.Series, parse: Parse, what: str) -> ColumnFinding:
    """Build the finding of a column of days.

    Args:
        column: The column.
        texts: Text of the day of each row.
        parse: Rules that read the raw texts.
        what: Description of them.
    """
    days = replace(parse, pattern="")
    values = _parse_texts(texts, column.build_field(Kind.DATE, parse=days))
    first, last = find_bounds(values)
    field = column.build_field(Kind.DATE, example=last.isoformat(), parse=parse)
    reason = join_reasons(
        what,
        format_reason("from {first} to {last} in the file", first=first, last=last),
        describe_rest(column.texts, values),
    )
    return ColumnFinding(column=column.name, reason=reason, field=field, values=values)
