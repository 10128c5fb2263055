"""Checks of fields, their parsing and derived columns beyond the types of their attributes."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from servicio_ml.domain.checks.exactness import has_exact_range
from servicio_ml.domain.checks.parsing import find_parse_problems
from servicio_ml.domain.fields.date_time import find_zone_problem, parse_datetime
from servicio_ml.domain.fields.words import LearnedWords
from servicio_ml.domain.values import (
    BOOLEAN_LEVELS,
    DATE_CHARACTERS,
    MAX_WHOLE_NUMBER,
    OTHER,
    normalize_code,
    parse_date,
)

if TYPE_CHECKING:
    from servicio_ml.domain.schema import Field

# the label of missing values in bins, metrics and pages: a level of that name would give two equal series
MISSING_LABEL = "missing"
MIN_JOINED = 2
"""Minimum number of columns that are joined."""
RESERVED_FIELDS = frozenset({"prediction", "features", "line"})
"""Names of the platform's own columns, tensors and series that stand beside fields."""


def find_field_problems(field: "Field") -> Iterator[str]:
    """Describe what is wrong with a field whose attributes have the right types."""
    kind = field.kind.value
    if field.name in RESERVED_FIELDS:
        yield "the platform has a column of that name; choose another, such as input_" + field.name
    # the codes of a category are the positions of its levels
    if field.has_levels != bool(field.levels or field.learned_levels):
        yield "a category has levels, and nothing else has"
    yield from _find_learning_problems(field)
    yield from _find_word_problems(field)
    if field.ordered and (kind != "category" or field.learned_levels):
        yield "ordered is for a category whose levels are given; leave it out"
    if kind == "boolean" and field.levels != BOOLEAN_LEVELS:
        yield "a boolean has the levels false and true; leave them out, and name other words by parse.recode"
    yield from find_level_problems(field.levels, "a level")
    yield from _find_bound_problems(field)
    yield from _find_zone_problems(field)
    yield from _find_example_problems(field)
    yield from find_parse_problems(field.parse, kind, field.levels)
    yield from _find_column_problems(field)


def _find_column_problems(field: "Field") -> Iterator[str]:
    columns = field.columns
    if isinstance(field.column, tuple) and len(columns) < MIN_JOINED:
        yield f"column={field.column!r} joins {len(columns)} columns; name at least {MIN_JOINED}, or one text"
    if len(set(columns)) < len(columns):
        yield f"column={field.column!r} names a column twice"


def _find_zone_problems(field: "Field") -> Iterator[str]:
    if field.zone and field.kind.value != "datetime":
        yield "only a date-time has a time zone; leave zone out"
    elif field.zone and (problem := find_zone_problem(field.zone)):
        yield problem


def _find_word_problems(field: "Field") -> Iterator[str]:
    if field.kind.value != "text" and (field.words or field.learned_words != LearnedWords()):
        yield f"a {field.kind.value} learns no words; leave words and learned_words out"


def _find_learning_problems(field: "Field") -> Iterator[str]:
    if field.learned_levels and field.kind.value != "category":
        yield f"a {field.kind.value} learns no levels; leave learned_levels out"
    elif field.learned_levels and field.levels[-1:] not in {(), (OTHER,)}:
        yield f"learned levels come from the training rows and end with {OTHER!r}; leave levels out"


def find_level_problems(levels: Sequence[str], what: str) -> Iterator[str]:
    """Describe levels of a category or labels of a target that cannot be distinguished."""
    # a repeated level would have two codes, of which decoding knows only one
    if len(set(levels)) != len(levels):
        yield f"{what} is named twice"
    if MISSING_LABEL in levels:
        yield f"{what} is called {MISSING_LABEL!r}, as absent values are; choose another, such as 'unknown'"
    values = [normalize_code(level) for level in levels]
    # codes compare by value, so that 3 and 3.0 are one level
    if None not in values and len(set(values)) != len(levels):
        yield f"{what} has the value of another ({', '.join(levels[:3])} …); numbers compare by value"


def _find_bound_problems(field: "Field") -> Iterator[str]:
    low, high = field.minimum, field.maximum
    bounds = [bound for bound in (low, high) if bound is not None]
    if bounds and field.kind.value not in {"number", "integer"}:
        yield f"a {field.kind.value} has no minimum and no maximum"
    if low is not None and high is not None and low > high:
        yield f"minimum {low} > maximum {high}"
    if field.kind.value == "integer":
        yield from _find_inexact_integers(bounds)
    elif not has_exact_range(low, high):
        yield (
            f"its values {field.allowed.removeprefix('a number ')} are too coarse in float32 (7 digits); "
            "make it a date, or subtract an origin in the raw file"
        )


def _find_inexact_integers(bounds: Sequence[float]) -> Iterator[str]:
    for bound in bounds:
        if abs(bound) > MAX_WHOLE_NUMBER:
            yield (
                f"its bound {bound:.10g} is beyond ±{MAX_WHOLE_NUMBER:,}, to which whole numbers are exact; "
                "make it a date, subtract an origin, count in thousands or declare Kind.NUMBER"
            )


def _find_example_problems(field: "Field") -> Iterator[str]:
    example, kind = field.example, field.kind.value
    if kind == "category":
        yield from _find_level_example_problems(field)
    elif kind in EXAMPLES:
        is_right, problem = EXAMPLES[kind]
        if not is_right(example):
            yield f"the example {example!r} is {problem}"
    elif isinstance(example, (str, bool)) or not _is_within(field, example):
        yield f"the example {example!r} is not {field.allowed}"


def _find_level_example_problems(field: "Field") -> Iterator[str]:
    if field.learned_levels:
        if not isinstance(field.example, str):
            yield f"the example {field.example!r} is no text"
    elif field.example not in field.levels:
        yield f"the example {field.example!r} is not one of its levels"


def _is_within(field: "Field", value: float) -> bool:
    low = -math.inf if field.minimum is None else field.minimum
    high = math.inf if field.maximum is None else field.maximum
    return low <= value <= high and (field.kind.value == "number" or float(value).is_integer())


def _is_moment(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(parse_datetime(text, ""))
    except ValueError:
        return False


def is_day(text: object) -> bool:
    """Whether a text is a day of the calendar as YYYY-MM-DD, of the years 1000 to 2999."""
    try:
        return isinstance(text, str) and len(text) == DATE_CHARACTERS and bool(parse_date(text))
    except ValueError:
        return False


EXAMPLES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "date": (is_day, "no date; write YYYY-MM-DD, such as '2016-06-15'"),
    "datetime": (_is_moment, "no date-time; write one such as '2016-06-15T12:30:00'"),
    "text": (lambda example: isinstance(example, str), "no text"),
    "boolean": (lambda example: isinstance(example, bool), "neither True nor False"),
}
"""Check of an example, and what is wrong with it, by kind."""
