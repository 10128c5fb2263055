"""Statistics of a published period: columns, correlations, missing values and rejected rows."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from servicio_ml.domain.schema import Kind

OVERVIEW = "overview"
"""Name of the overview among the manifest's files."""
Value = int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Number of rows by bin.

    Attributes:
        labels: Labels of the bins: levels of a category, years or months of a date; empty for a number.
        edges: Edges of a number's bins, one more than bins; the lower edge belongs to a bin, the upper one
            does not. None as first or last edge leaves the bin open.
        counts: Rows in each bin by class of the target; under an empty name for a regression.
        hidden: Number of omitted levels, the least frequent ones.
    """

    labels: tuple[str, ...]
    edges: tuple[float | None, ...]
    counts: Mapping[str, tuple[int, ...]]
    hidden: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequentValue:
    """One of the most frequent values of a column, with its number of rows."""

    value: Value
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewColumn:
    """Statistics of a field or of the target.

    Statistics that the kind of the column does not have are None. Quartiles are interpolated linearly; those
    of a date are the nearest day.

    Attributes:
        name: Name in the published rows.
        kind: Type of the values.
        unit: Unit of a number and of its statistics; empty without one.
        description: One line for people.
        target: True for the target.
        count: Number of rows with a value.
        missing: Number of rows without a value.
        unique: Number of distinct values.
        mean: Mean of a number.
        std: Standard deviation of the sample (n - 1).
        minimum: Minimum of a number or date (ISO text).
        lower_quartile: 25th percentile.
        median: 50th percentile.
        upper_quartile: 75th percentile.
        maximum: Maximum of a number or date (ISO text).
        frequent: Most frequent values, the most frequent one first.
        histogram: Number of rows by bin.
        information: Share of the target's entropy (0-1) that the bin of the histogram explains, over rows
            with a value; None for the target, and for a column or target in one bin.
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
    frequent: tuple[FrequentValue, ...] = ()
    histogram: Histogram
    information: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOrigin:
    """What a data set is, by its use case.

    Attributes:
        title: Title of the use case.
        description: Description of the use case.
        page: Address of the publisher's page; empty where it is not known.
        licence: Licence as stated by the publisher; empty where it is not known.
    """

    title: str
    description: str
    page: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairMatrix:
    """Value by pair of columns; None where it is undefined (too few rows, or a constant column)."""

    names: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingShares:
    """Shares of missing values by level of a category.

    Attributes:
        field: Category that structures the rows.
        levels: Most frequent levels, in the schema's order.
        rows: Number of rows of each level.
        shares: Share of missing values (0-1) of each level by field; complete fields are left out.
    """

    field: str
    levels: tuple[str, ...]
    rows: tuple[int, ...]
    shares: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewRows:
    """Published rows in the order of their source lines."""

    names: tuple[str, ...]
    rows: tuple[tuple[Value | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineReason:
    """Reason for the rejection of rows.

    Attributes:
        field: Field of the unusable value; None for the whole line.
        problem: Explanation without the value.
        rows: Number of rejected rows with this error; a row may have several errors.
    """

    field: str | None
    problem: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedValue:
    """Rejected value of a row; `field` and `value` as in the raw file, None for an error of the line."""

    line: int
    field: str | None
    value: str | None
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineOverview:
    """Rejected rows: number, reasons, and rejected values of the first ones."""

    rows: int
    reasons: tuple[QuarantineReason, ...]
    examples: tuple[RejectedValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodOverview:
    """Statistics of the published rows of a period, training and test rows together.

    Attributes:
        origin: What the data set is.
        dialect: Dialect of the raw file.
        rows: Number of published rows.
        classes: Classes of the target; empty for a regression.
        columns: Fields in the schema's order, then the target.
        correlations: Pearson correlations of numbers and target; a class counts as its index.
        associations: Cramér's V of categories and of the target's classes.
        gaps: Shares of missing values; None without a category that structures the rows, or without any.
        sample: First rows.
        quarantine: Rejected rows.
    """

    origin: DataOrigin
    dialect: str
    rows: int
    classes: tuple[str, ...]
    columns: tuple[OverviewColumn, ...]
    correlations: PairMatrix
    associations: PairMatrix
    gaps: MissingShares | None
    sample: OverviewRows
    quarantine: QuarantineOverview

    def to_text(self) -> str:
        """Format as JSON; equal overviews give equal texts."""
        # NaN is no JSON: an undefined statistic must be None, or this raises
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
