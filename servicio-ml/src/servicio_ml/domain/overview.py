"""What the ETL tells of a period besides its rows: columns, what goes together, gaps, rejected rows."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from servicio_ml.domain.schema import Kind

OVERVIEW = "overview"
"""Its name among the manifest's files."""
Value = int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many rows fall into each bin.

    Attributes:
        labels: Of the bins: the levels of a category, the years or months of a date; empty for a number.
        edges: Of a number's bins, one more than there are bins: the lower edge belongs to a bin, the upper
            one does not. A first or last edge of None stands for all that is beyond.
        counts: Rows in each bin by the class of the target; under an empty name where it is a number.
        hidden: Levels that are not shown, the least frequent ones.
    """

    labels: tuple[str, ...]
    edges: tuple[float | None, ...]
    counts: Mapping[str, tuple[int, ...]]
    hidden: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequent:
    """One of the most frequent values of a column, with how many rows have it."""

    value: Value
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A field, or the target.

    Attributes:
        name: In the published rows.
        kind: What it holds.
        unit: Of a number, empty when it has none; that of `std` too.
        description: One line for people.
        target: Whether it is what is predicted.
        count: Rows that have a value.
        missing: Rows that have none.
        unique: Different values.
        mean: Of a number; None for all else, as what follows.
        std: Standard deviation of a sample (n - 1).
        minimum: Of a number or a date (as ISO text).
        lower_quartile: Linear between the two nearest values, as all three (of a date, the nearest one).
        median: As above.
        upper_quartile: As above.
        maximum: As the minimum.
        frequent: The most frequent values, the most frequent one first.
        histogram: Of the values.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    target: bool
    count: int
    missing: int
    unique: int
    mean: float | None = None
    std: float | None = None
    minimum: Value | None = None
    lower_quartile: Value | None = None
    median: Value | None = None
    upper_quartile: Value | None = None
    maximum: Value | None = None
    frequent: tuple[Frequent, ...] = ()
    histogram: Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """A value per pair of columns, None where it is not defined (too few rows, or a constant column)."""

    names: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Where values are missing.

    Attributes:
        field: A category that structures the rows.
        levels: Its most frequent levels, in the schema's order.
        rows: Of each level.
        shares: Field to the share (0-1) of each level's rows in which it is missing; fields that are missing
            nowhere are left out.
    """

    field: str
    levels: tuple[str, ...]
    rows: tuple[int, ...]
    shares: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows as they are published, by source line."""

    names: tuple[str, ...]
    rows: tuple[tuple[Value | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why rows are in quarantine.

    Attributes:
        field: Whose value cannot be used; None where it is the line.
        problem: Why, without the value.
        rows: How many of the rejected rows have this flaw; a row may have several.
    """

    field: str | None
    problem: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One value of a rejected row; `field` and `value` as in the raw file, None where there is none."""

    line: int
    field: str | None
    value: str | None
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """The rejected rows: why, and the flaws of the first of them."""

    rows: int
    reasons: tuple[Reason, ...]
    examples: tuple[Flaw, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The published rows of a period, training and test rows together.

    Attributes:
        dialect: How the raw file is spelt.
        rows: How many are published.
        classes: Of the target; empty where it is a number.
        columns: The fields in the schema's order, then the target.
        correlations: Pearson's, of numbers and of the target; classes count by their place among the labels.
        associations: Cramér's V, of categories and of the target's classes.
        gaps: None where the use case names no category that structures its rows, or nothing is missing.
        sample: The first rows.
        quarantine: The rejected rows.
    """

    dialect: str
    rows: int
    classes: tuple[str, ...]
    columns: tuple[Column, ...]
    correlations: Matrix
    associations: Matrix
    gaps: Gaps | None
    sample: Table
    quarantine: Quarantine

    def to_text(self) -> str:
        """As JSON; the same overview is the same text."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
