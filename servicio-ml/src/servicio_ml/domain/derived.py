"""Derived columns: declared once and computed by the same code in training and in serving."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from servicio_ml.domain.checks.attributes import Limits, Name, NotNegative, check_attributes
from servicio_ml.domain.checks.expression import list_names, parse_expression
from servicio_ml.domain.values import MAX_NUMBER
from servicio_ml.errors import UseCaseError

Period = Annotated[float, Limits(minimum=1e-6, maximum=1e9)]
"""Within it, the phase of every value of a field is a number."""
Part = Literal["year", "month", "day", "weekday", "day_of_year", "hour", "minute"]
Float32 = Annotated[float, Limits(minimum=-MAX_NUMBER, maximum=MAX_NUMBER)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Number by level of a category; a missing level gives a missing number."""

    name: Name
    source: str
    table: Mapping[str, Float32]

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, slots=True, kw_only=True)
# sine and cosine together place the last day of a period beside its first
class Cyclic:
    """`wave(2π · source / period)`; a date counts in days since 1970-01-01, a date-time with its fraction.

    Of a date-time, a period of 1 is the time of day, one of 7 the place in the week.
    """

    name: Name
    source: str
    period: Period
    wave: Literal["sin", "cos"]

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, slots=True, kw_only=True)
# only the two dates' distance is a feature: their absolute values lie beyond the training rows later
class Difference:
    """`minuend − subtrahend`; of two dates or date-times, in days (with their fraction)."""

    name: Name
    minuend: str
    subtrahend: str

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.minuend, self.subtrahend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """`numerator / denominator`; a denominator of 0 gives a missing number."""

    name: Name
    numerator: str
    denominator: str

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.numerator, self.denominator)


@dataclass(frozen=True, slots=True, kw_only=True)
# a column of its own, because the missing value itself stays NaN in the matrix
class Missing:
    """Indicator of a missing source: 1 where it is missing, else 0."""

    name: Name
    source: str

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """Arithmetic over fields, such as `log(income / (persons + 1))`.

    It takes fields, numbers, brackets, `+ - * / **`, one comparison (1 where it holds, else 0), `abs`, `log`
    (natural), `sqrt`, `min` and `max`; a date or date-time counts in days since 1970-01-01. The result is
    missing where a field is missing, and where a step has none: a division by 0, a logarithm of 0 or less. A
    field cannot have the name of a keyword of Python, such as `class`.
    """

    name: Name
    text: str

    def __post_init__(self) -> None:
        _check_column(self)
        try:
            parse_expression(self.text)
        except ValueError as error:
            raise UseCaseError(f"derived column {self.name!r}", str(error)) from error

    @property
    def sources(self) -> tuple[str, ...]:
        return list_names(parse_expression(self.text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """Number of the bin that a number falls into: of ascending `edges`, the number of those not above it."""

    name: Name
    source: str
    edges: tuple[Float32, ...]

    def __post_init__(self) -> None:
        _check_column(self)
        if not self.edges or any(low >= high for low, high in pairwise(self.edges)):
            problem = f"its edges are {self.edges}; give at least one, in ascending order, each once"
            raise UseCaseError(f"derived column {self.name!r}", problem)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatePart:
    """Part of a date or date-time.

    Year, month (1-12), day of the month, ISO weekday (1 is Monday) or day of the year; of a date-time also
    hour (0-23) or minute.
    """

    name: Name
    source: str
    part: Part

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMean:
    """Mean of the target by level of a category; of a binary target, the share of its second label.

    It is fitted on training rows, and stands as a `Lookup` in the model. The mean of a level with few rows is
    drawn towards that of all rows: `(sum + smoothing · mean) / (rows + smoothing)`. Source: Micci-Barreca,
    "A preprocessing scheme for high-cardinality categorical attributes in classification and prediction
    problems" (SIGKDD Explorations, 2001), with the weight of an m-estimate. It is the mean of the logarithm
    where the target has `log`.
    """

    name: Name
    source: str
    smoothing: NotNegative = 10.0

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency:
    """Share (0-1) of the training rows that have the level of a category; a `Lookup` in the model."""

    name: Name
    source: str

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMean:
    """Mean of a number over the training rows of each level of `by`; a `Lookup` in the model.

    A level without a number has the mean of all rows.
    """

    name: Name
    source: str
    by: str

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source, self.by)


Fitted = TargetMean | Frequency | GroupMean
"""Columns that are fitted on training rows; a model has a `Lookup` in their place."""
Derived = Lookup | Cyclic | Difference | Ratio | Missing | Expression | Bins | DatePart | Fitted

# these names stand in the schema.json of every exported model: an operation cannot be renamed
_OPERATIONS: Mapping[str, type[Derived]] = {
    "lookup": Lookup,
    "cyclic": Cyclic,
    "difference": Difference,
    "ratio": Ratio,
    "missing": Missing,
    "expression": Expression,
    "bins": Bins,
    "date_part": DatePart,
    "target_mean": TargetMean,
    "frequency": Frequency,
    "group_mean": GroupMean,
}
_NAMES = {operation: name for name, operation in _OPERATIONS.items()}


def _check_column(column: Derived) -> None:
    check_attributes(column, f"derived column {column.name!r}")


def convert_derived_to_json(column: Derived) -> dict[str, Any]:
    return {"operation": _NAMES[type(column)], **asdict(column)}


def build_derived_from_json(document: Mapping[str, Any]) -> Derived:
    # a copy: `pop` must not change the caller's document
    attributes = {**document}
    if "edges" in attributes:
        # JSON has lists only; the dataclasses are hashable and compare equal with tuples only
        attributes["edges"] = tuple(attributes["edges"])
    return _OPERATIONS[attributes.pop("operation")](**attributes)
