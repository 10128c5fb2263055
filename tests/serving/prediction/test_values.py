"""One table of values drives every interface: equal inputs give equal matrices or a fault of their field."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicio_ml.domain.values import FIRST_DAY, LAST_DAY
from value_interfaces import (
    ABSENT,
    FAULT,
    FILES,
    INTERFACES,
    TABLES,
    TENSORS,
    VALUES_SCHEMA,
    Numeral,
    Outcome,
)

NAN = math.nan
MAX_FLOAT32 = float(np.finfo(np.float32).max)
JUNE_15 = 16967.0
"""2016-06-15 in days since 1970-01-01."""
LATE = JUNE_15 + 23.5 / 24
"""Half past eleven of that evening."""
SYDNEY, NEW_YORK = ZoneInfo("Australia/Sydney"), ZoneInfo("America/New_York")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A value of a field and what it is in the matrix."""

    name: str
    value: Any
    expected: Outcome
    other: dict[str, Outcome] = field(default_factory=dict)
    """Outcomes of the interfaces for which the value means something else."""


def _build_cases(name: str, expected: Outcome, *values: Any, **other: Outcome) -> list[Case]:
    names = {
        "files": FILES,
        "csv": [each for each in FILES if "CSV" in each],
        "tables": TABLES,
        "tensors": TENSORS,
    }
    outcomes = {each: outcome for key, outcome in other.items() for each in names[key]}
    return [Case(name=name, value=value, expected=expected, other=outcomes) for value in values]


def _build_timestamp(value: datetime, zone: str | None, unit: str = "us") -> Any:
    # by its number: the conversion of datetimes depends on what else was imported
    seconds = int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    return pa.array([seconds], pa.timestamp("s")).cast(pa.timestamp(unit)).cast(pa.timestamp(unit, zone))


YES: Any = True
NO: Any = False
MIDNIGHT = datetime.combine(date(2016, 6, 15), time())
HALF_PAST_ELEVEN = MIDNIGHT.replace(hour=23, minute=30)
EAST = timezone(timedelta(hours=10))
INDIA = timezone(timedelta(hours=5, minutes=30))
NO_UTF_8 = pa.Array.from_buffers(
    pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")]
)
UNREADABLE: Sequence[pa.Array] = [
    pa.array([[5]]),
    pa.array([{"a": 5}]),
    pa.array([[("a", 5)]], pa.map_(pa.string(), pa.int64())),
    pa.array([b"5"]),
    pa.array([b"5"], pa.large_binary()),
    pa.array([b"5"], pa.binary(1)),
    pa.array([b"5"]).dictionary_encode(),
    pa.array([time(5)]),
    pa.array([5], pa.time32("s")),
    pa.array([5], pa.duration("s")),
    pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"5" * 16], pa.binary(16))),
    pa.ExtensionArray.from_storage(pa.json_(), pa.array(["5"])),
    NO_UTF_8,
]
"""Columns whose type has no values of a field, and a text that is none."""
TABLE: Sequence[Case] = [
    # a text is a number in files only, whatever their format; bytes are nowhere
    *(
        case
        for name in VALUES_SCHEMA.field_names
        if name not in {"share", "count"}
        for case in _build_cases(name, FAULT, *UNREADABLE)
    ),
    *_build_cases(
        "seats", FAULT, pa.array(["5"], pa.large_string()), pa.array(["5"]).dictionary_encode(), files=5.0
    ),
    *_build_cases("seats", 5.0, *(pa.array([Decimal("5.0")], pa.decimal256(n, 1)) for n in (9, 50))),
    # dates: the day as written, or the day of a midnight in the column's own zone
    *_build_cases("day", JUNE_15, "2016-06-15", date(2016, 6, 15), MIDNIGHT),
    *_build_cases("day", JUNE_15, "2016-06-15T00:00", "2016-06-15 00:00:00", "2016-06-15T00:00:00.000"),
    *_build_cases("day", JUNE_15, "2016-06-15T00:00:00Z", "2016-06-15T00:00+10:00"),
    *_build_cases("day", JUNE_15, "2016-06-15 00:00:00-0400", "2016-06-15 00:00:00 UTC"),
    *_build_cases(
        "day", JUNE_15,
        _build_timestamp(MIDNIGHT.replace(tzinfo=SYDNEY), "Australia/Sydney"),
        _build_timestamp(MIDNIGHT.replace(tzinfo=NEW_YORK), "America/New_York"),
        _build_timestamp(MIDNIGHT.replace(tzinfo=EAST), "+10:00"),
        _build_timestamp(MIDNIGHT.replace(tzinfo=INDIA), "+05:30"),
        *(_build_timestamp(MIDNIGHT, None, unit) for unit in ("s", "ms", "us", "ns")),
        pa.array([date(2016, 6, 15)], pa.date32()), pa.array([date(2016, 6, 15)], pa.date64()),
    ),
    *_build_cases("day", FAULT, HALF_PAST_ELEVEN, "2016-06-15T23:30", "2016-06-15 12:00:00"),
    *_build_cases("day", FAULT, "2016-06-15T00:00:00+99:99", "2016-06-15T00:00+15:00"),
    *_build_cases("day", FAULT, "2016-06-15T00:00+01:60"),
    *_build_cases(
        "day", FAULT,
        _build_timestamp(HALF_PAST_ELEVEN.replace(tzinfo=NEW_YORK), "America/New_York"),
        _build_timestamp(MIDNIGHT.replace(tzinfo=UTC), "Australia/Sydney"),
        pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
        pa.array([2**62], pa.int64()).cast(pa.timestamp("us")),
    ),
    *_build_cases("day", FAULT, 0, -86400, 1465948800000, 16967, 16967.0, YES),
    *_build_cases("day", FAULT, "0", "-86400", "1465948800000", "16967", "20160615", "2016-W24-3"),
    *_build_cases("day", FAULT, "2016-167", "2016-02-30", "2015-02-29", "15.06.2016", "2016-6-15"),
    *_build_cases("day", FAULT, "0999-12-31", "3000-01-01", "5881580-07-11"),
    *_build_cases("day", 0.0, "1970-01-01", date(1970, 1, 1)),
    *_build_cases("day", float((FIRST_DAY - date(1970, 1, 1)).days), FIRST_DAY, str(FIRST_DAY)),
    *_build_cases("day", float((LAST_DAY - date(1970, 1, 1)).days), LAST_DAY, str(LAST_DAY)),
    *_build_cases("day", NAN, None),
    # date-times: as written, whatever the offset; a day alone is its midnight
    *_build_cases("moment", LATE, HALF_PAST_ELEVEN, "2016-06-15T23:30", "2016-06-15 23:30:00.999999999"),
    *_build_cases("moment", LATE, "2016-06-15T23:30Z", "2016-06-15T23:30:00+10:00", "2016-06-15 23:30 UTC"),
    *_build_cases("moment", LATE, "2016-06-15T23:30:00.5-0430", "2016-06-15 23:30 +05"),
    *_build_cases(
        "moment", LATE,
        _build_timestamp(HALF_PAST_ELEVEN.replace(tzinfo=NEW_YORK), "America/New_York"),
        _build_timestamp(HALF_PAST_ELEVEN.replace(tzinfo=INDIA), "+05:30"),
        *(_build_timestamp(HALF_PAST_ELEVEN, None, unit) for unit in ("s", "ms", "us", "ns")),
    ),
    *_build_cases("moment", JUNE_15, date(2016, 6, 15), "2016-06-15"),
    *_build_cases("moment", JUNE_15, pa.array([date(2016, 6, 15)], pa.date64())),
    *_build_cases("moment", -1 + 86_399 / 86_400, "1969-12-31T23:59:59"),
    *_build_cases("moment", (LAST_DAY - date(1970, 1, 1)).days + 86_399 / 86_400, "2999-12-31T23:59:59"),
    *_build_cases("moment", FAULT, "2016-06-15T24:00", "2016-06-15T23:60", "2016-06-15T23"),
    *_build_cases("moment", FAULT, "2016-06-15 9:05", "23:30", "15.06.2016 23:30", "3000-01-01", "now"),
    *_build_cases("moment", FAULT, 0, 16967.5, "16967", YES, "2016-06-15T23:30+15:00"),
    *_build_cases("moment", FAULT, pa.array([2**62], pa.int64()).cast(pa.timestamp("us"))),
    *_build_cases("moment", NAN, None),
    # with a time zone, what has an offset is converted to it
    *_build_cases("local", LATE, HALF_PAST_ELEVEN, "2016-06-15T23:30", "2016-06-15T23:30+02:00"),
    *_build_cases("local", LATE, "2016-06-15T21:30Z", "2016-06-15T17:30-04", "2016-06-16 07:30:00.5+1000"),
    *_build_cases(
        "local", LATE,
        _build_timestamp(HALF_PAST_ELEVEN.replace(hour=17, tzinfo=NEW_YORK), "America/New_York"),
        _build_timestamp(HALF_PAST_ELEVEN.replace(hour=21, tzinfo=UTC), "UTC", "ns"),
        _build_timestamp(HALF_PAST_ELEVEN, None),
    ),
    *_build_cases("local", 16_815 + 23.5 / 24, "2016-01-15T22:30Z", "2016-01-15T22:30:00 UTC"),
    *_build_cases("local", FAULT, "2999-12-31T23:30Z", "1000-01-01T00:00:00Z", "2016-06-15T24:00Z"),
    *_build_cases("local", NAN, None),
    # texts: the number of known words, in any case
    *_build_cases("remark", 2.0, "Swift RED", "red, swift!", "swift red blue red", "el AÑO-Swift"),
    *_build_cases("remark", 1.0, pa.array(["red"]).dictionary_encode(), pa.array(["red"], pa.large_string())),
    *_build_cases("remark", 0.0, "redder", "red_swift", "n" * 1000),
    *_build_cases("remark", FAULT, "n" * 1001, "red " * 400),
    *_build_cases("remark", FAULT, 5, 2.5, YES, files=0.0, tensors=0.0),
    *_build_cases("remark", 0.0, "", files=NAN, tensors=NAN),
    *_build_cases("remark", NAN, None, pa.array([None], pa.string())),
    # learned levels: any text, numbers by value; what is no level is `other`
    *_build_cases("make", 0.0, "Swift", " Swift "),
    *_build_cases("make", 1.0, "3", "3.0", "+3", "003", 3, 3.0),
    *_build_cases("make", 2.0, "other", "Alto", "swift", "7", "n" * 200, 7, 7.5, YES),
    *_build_cases("make", NAN, None),
    *_build_cases("make", FAULT, "", files=NAN, tensors=NAN),
    *_build_cases("make", FAULT, " ", files=NAN),
    # integers: whole numbers that float32 separates
    *_build_cases("seats", 5.0, 5, 5.0, pa.array([5], pa.int8()), pa.array([5.0], pa.float32())),
    *_build_cases("count", 2014.0, 2014, 2014.0),
    *_build_cases("count", 2.0**24, 2**24, 2.0**24),
    *_build_cases("count", FAULT, 2**24 + 1, 2.0**24 + 1, 2**53 + 1, 10**400, -(2**24) - 1),
    *_build_cases("seats", FAULT, 5.5, 5.0000001, 0, 21, YES),
    *_build_cases("count", FAULT, 16_000_000.01, 1e300),
    *_build_cases("seats", FAULT, "5", "5.0", files=5.0),
    *_build_cases("seats", FAULT, "five", "5,5"),
    # a number is the float64 that is next to its text, whatever brings it
    *_build_cases("seats", 20.0, pa.array([Decimal("20.00000000000000000001")], pa.decimal128(38, 20))),
    *_build_cases("seats", FAULT, pa.array([Decimal("20.00000000000001")], pa.decimal128(38, 20))),
    *_build_cases("seats", 20.0, Numeral("20.00000000000000000001"), Numeral("2e1")),
    *_build_cases("seats", FAULT, Numeral("20.00000000000001"), Numeral("4.999999999999999")),
    *_build_cases("amount", MAX_FLOAT32, Numeral("340282350000000000000000000000000000000.1")),
    *_build_cases("seats", FAULT, "20.00000000000000000001", files=20.0),
    *_build_cases("seats", FAULT, "20.00000000000001", "4.999999999999999"),
    *_build_cases("seats", NAN, None, NAN),
    # numbers: rounded to float32, their limits included
    *_build_cases("share", float(np.float32(0.1)), 0.1, pa.array([0.1], pa.float32())),
    *_build_cases("share", float(np.float32(0.9)), 0.9, pa.array([0.9], pa.float32())),
    *_build_cases("share", FAULT, 0.90000001, 0.09999999, 1, 1e39, -0.5, YES),
    *_build_cases("amount", 1.0, 1, 1.0),
    *_build_cases("amount", float(np.float32(16_777_217.0)), 16_777_217, 16_777_217.0),
    *_build_cases("amount", FAULT, 1e39, -1e39, 3.4028236e38, -3.4028236e38),
    # the shortest text of the maximum float32 is above it, and is rounded to it
    *_build_cases("amount", MAX_FLOAT32, 3.4028235e38, MAX_FLOAT32, pa.array([MAX_FLOAT32], pa.float32())),
    *_build_cases("amount", -MAX_FLOAT32, -3.4028235e38, -MAX_FLOAT32),
    *_build_cases("amount", FAULT, "3.4028235e38", files=MAX_FLOAT32),
    *_build_cases("amount", FAULT, "1000", "1,000", "1e3", files=1000.0),
    *_build_cases("amount", FAULT, "1,45,500", "145,500", files=145_500.0),
    *_build_cases("amount", FAULT, "0,200", "00,123", "1,5", "1,23", "1,2345", "nan", "inf", "0x10", "٣"),
    *_build_cases("amount", NAN, None, NAN),
    # categories: text, and codes by value
    *_build_cases("colour", 1.0, "green"),
    *_build_cases("colour", FAULT, "Green", "pink", 1, 1.0, YES),
    *_build_cases("colour", NAN, None),
    *_build_cases("thal", 0.0, "3", 3, 3.0, "3.0", "3.00", "+3", "03"),
    *_build_cases("thal", 0.0, pa.array([3], pa.int8()), pa.array([3.0], pa.float32())),
    *_build_cases("thal", 2.0, "07", 7, 7.0, "7", "7.0"),
    *_build_cases("thal", FAULT, "4", 4, 3.5, "3.5", -3, "three", "3e0", YES),
    *_build_cases("thal", NAN, None, NAN),
    *_build_cases("open", 1.0, "true", YES),
    *_build_cases("open", 0.0, "false", NO),
    *_build_cases("open", FAULT, "yes", 1, 0.0),
    # booleans: a request has true, false or their texts, a file any of the usual words
    *_build_cases("flag", 1.0, "true", YES, pa.array([YES]), pa.array(["true"]).dictionary_encode()),
    *_build_cases("flag", 0.0, "false", NO, pa.array([NO])),
    *_build_cases("flag", NAN, None, pa.array([None], pa.bool_())),
    *_build_cases("flag", FAULT, "True", "TRUE", "yes", "Yes", "t", "Y", "on", "1", "1.0", 1, 1.0, files=1.0),
    *_build_cases("flag", FAULT, "False", "no", "N", "f", "OFF", "0", "00", 0, -0.0, files=0.0),
    *_build_cases("flag", FAULT, "maybe", "2", "ja", 2, 0.5, "truee", "yes no"),
    *_build_cases("colour", FAULT, "", csv=NAN, files=NAN, tensors=NAN),
    *_build_cases("colour", FAULT, "NA", "?", files=NAN),
    # the identifier of a row: a text without the blanks around it, or a whole number as its text
    *_build_cases("identifier", "892", "892", 892, " 892", "892 ", "\u00a0892\u3000\t"),
    *_build_cases("identifier", "892", pa.array([892], pa.uint64())),
    *_build_cases("identifier", "007", "007", pa.array(["007"]).dictionary_encode()),
    *_build_cases("identifier", "-1", -1, "-1"),
    *_build_cases("identifier", "a b: ¿año?", "a b: ¿año?", pa.array(["a b: ¿año?"], pa.large_string())),
    *_build_cases("identifier", "x" * 200, "x" * 200, f" {'x' * 200} "),
    *_build_cases("identifier", "7.0", "7.0"),
    *_build_cases("identifier", None, None, "", "  ", pa.array([None], pa.string()), pa.array([None])),
    *_build_cases("identifier", FAULT, "x" * 201, files="x" * 201),
    *_build_cases("identifier", FAULT, 892.0, files="892.0"),
    *_build_cases("identifier", FAULT, YES, files="true"),
    *_build_cases("identifier", FAULT, NAN, files=None),
    *_build_cases("identifier", "NA", "NA", files=None),
    *_build_cases("identifier", "12345678901234567890123", Numeral("12345678901234567890123")),
    *_build_cases("identifier", FAULT, Numeral("8.92e2"), files="8.92e2"),
    *_build_cases("identifier", FAULT, Numeral("[892]"), files="[892]"),
    *_build_cases("identifier", FAULT, pa.array(["a\0b"]), files="a\0b"),
    *_build_cases("identifier", FAULT, *UNREADABLE),
]  # fmt: skip


def _describe(case: Case) -> str:
    shown = (
        f"{case.value.type} {case.value[0]}" if isinstance(case.value, pa.Array) else repr(case.value)[:30]
    )
    return f"{case.name}={shown}"


@pytest.mark.parametrize("interface", INTERFACES)
def test_a_value_means_the_same_on_every_interface(interface: str) -> None:
    send, wrong = INTERFACES[interface], {}
    for case in TABLE:
        outcome = send(case.name, case.value)
        expected = case.other.get(interface, case.expected)
        if outcome != ABSENT and not _is_equal(outcome, expected):
            wrong[_describe(case)] = (outcome, expected)
    assert wrong == {}


def _is_equal(outcome: Outcome, expected: Outcome) -> bool:
    if isinstance(outcome, str) or isinstance(expected, str):
        return outcome == expected
    if outcome is None or expected is None:
        return outcome is expected
    return outcome == expected or (math.isnan(outcome) and math.isnan(expected))


NUMBERS = st.one_of(
    st.integers(-(2**25), 2**25), st.integers(-30, 30), st.floats(allow_nan=False, allow_infinity=NO),
    st.floats(0, 1), st.integers(-30, 30).map(float), st.sampled_from([0.1, 0.9, 2.0**24, 2**24 + 1]),
)  # fmt: skip
VALUES = st.one_of(
    st.tuples(
        st.sampled_from(["day", "moment", "local"]),
        st.one_of(st.none(), st.dates(), st.datetimes(), st.dates().map(str)),
    ),
    st.tuples(st.sampled_from(["share", "amount", "seats", "count"]), st.one_of(st.none(), NUMBERS)),
    st.tuples(
        st.sampled_from(["thal", "colour"]),
        st.one_of(
            st.none(), st.sampled_from(["red", "3", "3.0", "07", 7, 7.0, 6, "blue"]), st.integers(0, 9)
        ),
    ),
    st.tuples(st.sampled_from(["open", "flag"]), st.booleans()),
)


@settings(max_examples=40)
@given(VALUES)
def test_all_interfaces_agree_about_any_value(pair: tuple[str, Any]) -> None:
    outcomes = {interface: send(*pair) for interface, send in INTERFACES.items()}
    known = {interface: outcome for interface, outcome in outcomes.items() if outcome != ABSENT}
    expected = next(iter(known.values()))
    assert all(_is_equal(outcome, expected) for outcome in known.values()), known
