"""What the pages ask about the data of a use case."""

from pydantic import BaseModel

from streamlit_app.client.service import path
from streamlit_app.client.transport import Transport

Value = int | float | str
NUMBERS = frozenset({"number", "integer"})
"""Kinds of columns that are counted with."""


class Counts(BaseModel):
    """Where every row of the raw file went."""

    read: int
    train: int
    test: int
    quarantined: int
    duplicates: int
    unlabelled: int
    later: int


class Histogram(BaseModel):
    """Rows in each bin by class; an edge of None stands for all that is beyond."""

    labels: list[str]
    edges: list[float | None]
    counts: dict[str, list[int]]
    hidden: int


class Frequent(BaseModel):
    """A value and how many rows have it."""

    value: Value
    rows: int


class Column(BaseModel):
    """A field, or the target; figures that a kind has not are None."""

    name: str
    kind: str
    unit: str
    description: str
    target: bool
    count: int
    missing: int
    unique: int
    mean: float | None
    std: float | None
    minimum: Value | None
    lower_quartile: Value | None
    median: Value | None
    upper_quartile: Value | None
    maximum: Value | None
    frequent: list[Frequent]
    histogram: Histogram


class Matrix(BaseModel):
    """A value for each pair of columns, None where it is not defined."""

    names: list[str]
    cells: list[list[float | None]]


class Gaps(BaseModel):
    """Share (0-1) of the rows of each level in which a field is missing."""

    field: str
    levels: list[str]
    rows: list[int]
    shares: dict[str, list[float]]


class Table(BaseModel):
    """Rows of the data."""

    names: list[str]
    rows: list[list[Value | None]]


class Reason(BaseModel):
    """Why rows were rejected; without a field it is the line."""

    field: str | None
    problem: str
    rows: int


class Flaw(BaseModel):
    """A value of a rejected row."""

    line: int
    field: str | None
    value: str | None
    problem: str


class Quarantine(BaseModel):
    """The rejected rows."""

    rows: int
    reasons: list[Reason]
    examples: list[Flaw]


class Overview(BaseModel):
    """The published rows."""

    dialect: str
    rows: int
    classes: list[str]
    columns: list[Column]
    correlations: Matrix
    associations: Matrix
    gaps: Gaps | None
    sample: Table
    quarantine: Quarantine

    @property
    def target(self) -> Column:
        """What is predicted."""
        return next(each for each in self.columns if each.target)


class Data(BaseModel):
    """What was published for a period."""

    model: str
    period: str
    periods: list[str]
    source: str
    counts: Counts
    dropped: dict[str, str]
    twins: int
    overview: Overview


def data(api: Transport, model: str, period: str | None = None) -> Data:
    """The data of a period, `YYYY-MM`; of the latest when None.

    Raises:
        Refused: Nothing is published.
    """
    return api.ask(Data, "GET", path(model, "/data"), params={"period": period})
