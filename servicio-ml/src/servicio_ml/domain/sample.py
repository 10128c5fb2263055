"""How look-alike rows of a raw file are made: hidden factors, marginals, missingness and spellings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from servicio_ml.errors import UseCaseError

ROW = "row"
"""What a `Text` may name besides columns: the row's number, as text of six digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A hidden standard normal score that ties columns to each other and to the target.

    Attributes:
        name: What it stands for.
        season: Correlation with a yearly wave (-1 to 1); needs a panel, as do the three below.
        peak: Day of the year (1–366) on which the wave is greatest.
        persistence: Correlation with the same entity's day before, season and level taken out.
        levels: Entity to its mean, in standard deviations; 0 where it is not named.
    """

    name: str
    season: float = 0.0
    peak: int = 1
    persistence: float = 0.0
    levels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Where a column's values are missing; the three add up.

    Attributes:
        missing: Share of the rows (0–1).
        missing_with: A column above; rows in which it is missing are missing here too.
        missing_at: Entities of the panel that never have a value.
    """

    missing: float = 0.0
    missing_with: str = ""
    missing_at: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Marginal(Gaps):
    """A column with a distribution of its own: of a number, of levels or of dates, exactly one of them.

    The column's normal score is the loadings' sum of the factors plus noise of its own; its rank decides
    where in the distribution the value lies. So the distribution is met whatever the loadings are.

    Attributes:
        quantiles: Of a number: probability (from 0 to 1, both included) to value, linear between them.
        shares: Of a category: raw text to its relative frequency, in ascending order of the score.
        dates: First and last day, ISO; every day between them is equally likely.
        loadings: Correlation with each factor of the sample, in their order; the rest is 0.
        lag: How many days the column is behind the factors.
        at_least: A column above; a number below its number is raised to it.
        at_most: A column above; a number beyond its number is lowered to it.
        step: Numbers are rounded to its multiples.
        form: Python's format of a number.
    """

    quantiles: Mapping[float, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    dates: tuple[str, str] | tuple[()] = ()
    loadings: tuple[float, ...] = ()
    lag: int = 0
    at_least: str = ""
    at_most: str = ""
    step: float = 1.0
    form: str = ".10g"

    def __post_init__(self) -> None:
        if sum(map(bool, (self.quantiles, self.shares, self.dates))) != 1:
            raise UseCaseError("sample", "a marginal has either quantiles or shares or dates")
        if self.quantiles and (min(self.quantiles), max(self.quantiles)) != (0, 1):
            raise UseCaseError("sample", f"quantiles go from 0 to 1, not over {sorted(self.quantiles)}")
        if self.explained > 1:
            raise UseCaseError("sample", f"the squares of the loadings {self.loadings} add up to more than 1")

    @property
    def explained(self) -> float:
        """Share of the score's variance that the factors make up."""
        return sum(loading * loading for loading in self.loadings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch(Gaps):
    """A column drawn from `high` where a number above is greater than a threshold, from `low` elsewhere."""

    source: str
    above: float
    high: Marginal
    low: Marginal


@dataclass(frozen=True, slots=True, kw_only=True)
class Next(Gaps):
    """A column that holds the value which a column above will have on the entity's next day."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled(Gaps):
    """A column above times a factor, such as another unit of it."""

    source: str
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Gaps):
    """A column written out in several ways.

    Attributes:
        spellings: Template, in Python's format over the names of columns above and `row`, to its relative
            frequency (`{"{power:g} bhp": 0.99, "0": 0.01}`).
    """

    spellings: Mapping[str, float]


Column = Marginal | Switch | Next | Scaled | Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Rows are one entity on consecutive days, entity after entity.

    Attributes:
        date: The raw column of the day; the first of the file.
        entity: The raw column of the entity; the second.
        entities: In the file's order.
        last: The last day, ISO.
    """

    date: str
    entity: str
    entities: tuple[str, ...]
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A generator of look-alike rows. What it does not say is made up from the schema.

    Attributes:
        rows: How many by default.
        columns: Raw column to how it is made, in the file's order; the target's is among them.
        factors: The hidden scores that the loadings mean.
        hidden: Columns that others are made of and that are not in the file.
        panel: Where rows are days of entities.
        duplicates: Share of the rows that are copies of another (0–1).
        missing: The text of a missing value.
        header: Whether the file has a header line.
    """

    rows: int
    columns: Mapping[str, Column] = field(default_factory=dict)
    factors: tuple[Factor, ...] = ()
    hidden: tuple[str, ...] = ()
    panel: Panel | None = None
    duplicates: float = 0.0
    missing: str = ""
    header: bool = True

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise UseCaseError("sample", f"{self.rows} rows; at least 1 is needed")
        if not 0 <= self.duplicates < 1:
            raise UseCaseError(
                "sample", f"duplicates must be a share from 0 to below 1, not {self.duplicates}"
            )
        seen: set[str] = set()
        for name, column in self.columns.items():
            self._check(name, column, seen)
            seen.add(name)

    def _check(self, name: str, column: Column, above: set[str]) -> None:
        named = (getattr(column, part, "") for part in ("source", "missing_with", "at_least", "at_most"))
        sources = {source for source in named if source}
        if lacking := sources - above:
            above_it = ", ".join(sorted(lacking))
            raise UseCaseError("sample", f"column {name!r} needs {above_it} declared above it")
        if len(getattr(column, "loadings", ())) > len(self.factors):
            raise UseCaseError("sample", f"column {name!r} has more loadings than there are factors")
        lagged = isinstance(column, Marginal) and column.lag > 0
        if self.panel is None and (isinstance(column, Next) or lagged or bool(column.missing_at)):
            raise UseCaseError("sample", f"column {name!r} speaks of days or entities; declare a panel")
