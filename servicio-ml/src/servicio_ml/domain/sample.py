"""Description of a synthetic raw file: latent factors, marginals, missing values, text templates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from servicio_ml.domain.checks.attributes import (
    Correlation,
    Count,
    Limits,
    Line,
    Natural,
    NotNegative,
    Positive,
    Share,
    check_attributes,
)
from servicio_ml.domain.checks.sample import (
    find_factor_problems,
    find_marginal_problems,
    find_panel_problems,
    find_sample_problems,
    find_text_problems,
    raise_problem,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """Latent standard normal score that correlates columns with each other and with the target.

    Attributes:
        name: Meaning of the factor.
        season: Correlation with a yearly wave (-1 to 1); needs a panel, as do the three below.
        peak: Day of the year (1–366) of the maximum of the wave.
        persistence: Correlation with the previous day of the same entity, without season and level.
        levels: Mean by entity, in standard deviations; 0 for entities that are not named.
    """

    name: Line
    season: Correlation = 0.0
    peak: Annotated[int, Limits(minimum=1, maximum=366)] = 1
    persistence: Correlation = 0.0
    levels: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_attributes(self, f"sample, factor {self.name!r}")
        raise_problem(f"sample, factor {self.name!r}", find_factor_problems(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingValues:
    """Missing values of a column; a value is missing if any of the three rules applies.

    Attributes:
        missing: Share of the rows without a value (0–1), drawn at random.
        missing_with: Earlier column; rows without a value there have none here.
        missing_at: Entities of the panel without any value.
    """

    missing: Share = 0.0
    missing_with: str = ""
    missing_at: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_attributes(self, f"sample, {type(self).__name__}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marginal(MissingValues):
    """A column with its own distribution: of numbers, levels or dates, exactly one of them.

    The normal score of a cell is the weighted sum of the factors plus noise; its rank selects the value in
    the distribution. The distribution is therefore met whatever the loadings are.

    Attributes:
        quantiles: Value by probability (from 0 to 1, both included) of a number, linear between them.
        shares: Relative frequency by raw text of a category, in ascending order of the score.
        dates: First and last day, ISO; all days between them are equally likely.
        loadings: Correlations with the factors of the sample, in their order; absent ones are 0.
        lag: Delay behind the factors, in days.
        at_least: Earlier column that gives the minimum of each number.
        at_most: Earlier column that gives the maximum of each number.
        step: Numbers are rounded to multiples of it.
        number_format: Format specification of numbers.
    """

    quantiles: Mapping[Share, float] = field(default_factory=dict)
    shares: Mapping[str, NotNegative] = field(default_factory=dict)
    dates: tuple[str, str] | tuple[()] = ()
    loadings: tuple[Correlation, ...] = ()
    lag: Natural = 0
    at_least: str = ""
    at_most: str = ""
    step: Positive = 1.0
    number_format: str = ".10g"

    def __post_init__(self) -> None:
        # checked at import, since a sample with two distributions would silently use one of them
        MissingValues.__post_init__(self)
        raise_problem("sample, Marginal", find_marginal_problems(self))

    @property
    def explained(self) -> float:
        """Share of the score's variance that the factors explain."""
        return sum(loading * loading for loading in self.loadings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch(MissingValues):
    """A column drawn from `high` where an earlier column exceeds a threshold, from `low` elsewhere."""

    source: str
    above: float
    high: Marginal
    low: Marginal


@dataclass(frozen=True, slots=True, kw_only=True)
class NextDay(MissingValues):
    """A column with the value of an earlier column on the next day of the entity."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled(MissingValues):
    """An earlier column times a factor, such as a conversion of units."""

    source: str
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(MissingValues):
    """A column of texts in several formats.

    Attributes:
        templates: Relative frequency by format string over the names of earlier columns and `row`
            (`{"{power:g} bhp": 0.99, "0": 0.01}`).
    """

    templates: Mapping[str, NotNegative]

    def __post_init__(self) -> None:
        MissingValues.__post_init__(self)
        raise_problem("sample, Text", find_text_problems(self))


SampleColumn = Marginal | Switch | NextDay | Scaled | Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Panel of entities by consecutive days, sorted by entity.

    Attributes:
        date: Raw column of the day, the first of the file.
        entity: Raw column of the entity, the second of the file.
        entities: Entities in the order of the file.
        last: Last day, ISO.
    """

    date: Line
    entity: Line
    entities: tuple[str, ...]
    last: str

    def __post_init__(self) -> None:
        check_attributes(self, "sample, panel")
        raise_problem("sample, panel", find_panel_problems(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSample:
    """Description of a synthetic raw file; the schema supplies defaults for columns that it leaves out.

    Attributes:
        rows: Default number of rows.
        columns: Generator by raw column, in the order of the file, including the target.
        factors: Latent factors, in the order of the loadings.
        hidden: Columns that others are computed from and that are not in the file.
        panel: Panel of entities by days; None where rows are independent.
        duplicates: Share of the rows that copy another row (0–1).
        missing: Text of a missing value.
        header: True when the file has a header line.
    """

    rows: Count
    columns: Mapping[str, SampleColumn] = field(default_factory=dict)
    factors: tuple[Factor, ...] = ()
    hidden: tuple[str, ...] = ()
    panel: Panel | None = None
    duplicates: Annotated[float, Limits(minimum=0, below=1)] = 0.0
    missing: str = ""
    header: bool = True

    def __post_init__(self) -> None:
        check_attributes(self, "sample")
        raise_problem("sample", find_sample_problems(self))
