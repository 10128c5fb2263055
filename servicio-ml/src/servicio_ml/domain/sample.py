"""How look-alike rows of a use case are made: marginals, missingness and a tie to the target."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Marginal:
    """The distribution of one raw column.

    Attributes:
        quantiles: Of a number (or a date as days since 1970-01-01) at evenly spaced probabilities from 0 to 1.
        shares: Of a category, level to its relative frequency.
        missing: Share of rows in which the value is missing (0–1).
        loading: Correlation of the column's normal score with the target's (-1 to 1).
        decimals: Digits after the point in the raw text.
        spellings: Raw text templates, of which each row takes one (`"{:.2f} bhp"`); the plain value when empty.
    """

    quantiles: tuple[float, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    missing: float = 0.0
    loading: float = 0.0
    decimals: int = 0
    spellings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A generator of look-alike rows.

    Attributes:
        rows: How many by default.
        columns: Raw column to its marginal; the target's column is among them.
        duplicates: Share of rows that are copies of another (0–1).
    """

    rows: int
    columns: Mapping[str, Marginal] = field(default_factory=dict)
    duplicates: float = 0.0
