"""Date-times in the text of raw files: ISO 8601, a day of another format with a time of day, Unix time."""

from datetime import timedelta

import narwhals as nw

from servicio_ml.domain.fields.date_format import UNITS_PER_DAY
from servicio_ml.domain.fields.date_time import EPOCH, SECONDS_PER_DAY
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.values import DATETIME_PATTERN, FIRST_DAY, LAST_DAY
from servicio_ml.pipeline.reading.dates.day_text import count_units, parse_day, rewrite_day

SECONDS_CHARACTERS = 19
"""Number of characters of a date-time to the second; its offset follows them."""
CLOCK = r"[T ]+[0-9]{1,2}:.*$"
"""Time of day behind a day of another format."""
CLOCK_STEPS = (
    (r"^.*?[T ]+([0-9]{1,2}:.*)$", "T$1"),
    (r"^T([0-9]):", "T0$1:"),
    (r"(?i)^T12(:[0-9:.]+) ?a[.]?m[.]?$", "T00$1"),
    *((rf"(?i)^T{hour:02}(:[0-9:.]+) ?p[.]?m[.]?$", f"T{hour + 12}$1") for hour in range(1, 12)),
    (r"(?i)^(T(?:0[0-9]|1[01]):[0-9:.]+) ?a[.]?m[.]?$", "$1"),
    (r"(?i)^(T12:[0-9:.]+) ?p[.]?m[.]?$", "$1"),
)
"""Replacements that leave the time of day of a text: two digits of the hour, of 24 hours."""
NORMAL_STEPS = (
    (r"[.][0-9]+", ""),
    (r"^([-0-9]+)$", "$1 00:00"),
    (r"^([-0-9]+)[T ]([0-9]+:[0-9]+)(:[0-9]+)?", "$1 $2$3"),
    (r"^([-0-9]+ [0-9]+:[0-9]+)((?: ?(?:Z|UTC|[+-]).*)?)$", "$1:00$2"),
    (r" ?(?:Z|UTC)$", "+00"),
    (r" ?([+-][0-9]{2})$", "$1:00"),
    (r" ?([+-][0-9]{2}):?([0-9]{2})$", "$1$2"),
)
"""Replacements that give every date-time one form: `2020-01-31 12:30:00`, with an offset such as `+0100`."""
NAIVE, AWARE = "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%z"


def parse_dated_text(match: nw.Expr, field: Field, date_format: str) -> nw.Expr:
    """Parse the text of a dated field; null where it is none of its values."""
    if field.kind is Kind.DATE:
        return parse_day(match, date_format)
    return _parse_moment(match, date_format, field.zone)


def _parse_moment(match: nw.Expr, date_format: str, zone: str) -> nw.Expr:
    """Parse the text of a date-time as `parse_datetime` of the domain does; null where it is none."""
    if date_format not in UNITS_PER_DAY:
        return _keep_known_years(_parse_text(match, date_format, zone))
    per_day = UNITS_PER_DAY[date_format]
    seconds = count_units(match, per_day, per_day // SECONDS_PER_DAY)
    counted = (nw.lit(EPOCH) + seconds * nw.lit(timedelta(seconds=1))).cast(nw.Datetime("us"))
    moment = _convert_zone(counted.dt.replace_time_zone("UTC"), zone) if zone else counted
    iso = _parse_text(match, "", zone)
    return _keep_known_years(nw.when(seconds.is_null()).then(iso).otherwise(moment))


def _parse_text(match: nw.Expr, date_format: str, zone: str) -> nw.Expr:
    text = match
    if date_format:
        clock = nw.when(match.str.contains(CLOCK)).then(_replace(match, CLOCK_STEPS)).otherwise(nw.lit(""))
        text = nw.concat_str(rewrite_day(match.str.replace_all(CLOCK, ""), date_format), clock)
    normal = _replace(nw.when(text.str.contains(DATETIME_PATTERN)).then(text), NORMAL_STEPS)
    moment = normal.str.slice(0, SECONDS_CHARACTERS).str.to_datetime(NAIVE)
    if not zone:
        return moment
    aware = nw.when(normal.str.len_chars() > SECONDS_CHARACTERS).then(normal).str.to_datetime(AWARE)
    local = _convert_zone(aware, zone)
    return nw.when(local.is_null()).then(moment).otherwise(local)


def _convert_zone(aware: nw.Expr, zone: str) -> nw.Expr:
    return aware.dt.convert_time_zone(zone).dt.replace_time_zone(None)


def _keep_known_years(moment: nw.Expr) -> nw.Expr:
    year = moment.dt.year()
    return nw.when((year >= FIRST_DAY.year) & (year <= LAST_DAY.year)).then(moment)


def _replace(text: nw.Expr, steps: tuple[tuple[str, str], ...]) -> nw.Expr:
    for pattern, replacement in steps:
        text = text.str.replace_all(pattern, replacement)
    return text
