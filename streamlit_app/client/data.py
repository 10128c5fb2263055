"""Requests to the server about the published data of a use case."""

from pydantic import BaseModel

from streamlit_app.client.service import build_path
from streamlit_app.client.transport import Transport

Value = int | float | str
NUMERIC_KINDS = frozenset({"number", "integer"})
"""Kinds of columns with numeric values."""


class RowCounts(BaseModel):
    """Rows of the raw file by row status."""

    read: int
    train: int
    test: int
    quarantined: int
    duplicates: int
    unlabelled: int
    later: int


class Histogram(BaseModel):
    """Rows in each bin by class; an outer edge of None means that the bin is open."""

    labels: list[str]
    edges: list[float | None]
    counts: dict[str, list[int]]
    hidden: int


class FrequentValue(BaseModel):
    """A value and the number of its rows."""

    value: Value
    rows: int


class ColumnOverview(BaseModel):
    """Statistics of a field or of the target; None where the kind of the column has no such statistic."""

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
    frequent: list[FrequentValue]
    histogram: Histogram
    information: float | None


class PublishedOrigin(BaseModel):
    """What the data set is; empty texts where the use case does not say it."""

    title: str
    description: str
    page: str
    licence: str


class PairMatrix(BaseModel):
    """Square matrix of a measure between columns; None where the measure is undefined."""

    names: list[str]
    cells: list[list[float | None]]


class MissingByLevel(BaseModel):
    """Share (0 to 1) of missing values by column, for each level of one field."""

    field: str
    levels: list[str]
    rows: list[int]
    shares: dict[str, list[float]]


class DataSample(BaseModel):
    """First published rows."""

    names: list[str]
    rows: list[list[Value | None]]


class RejectionReason(BaseModel):
    """A reason for rejected rows; it concerns the whole line where the field is None."""

    field: str | None
    problem: str
    rows: int


class RejectedValue(BaseModel):
    """A rejected value with its line in the raw file."""

    line: int
    field: str | None
    value: str | None
    problem: str


class QuarantineOverview(BaseModel):
    """Rejected rows: their number, the reasons, and examples."""

    rows: int
    reasons: list[RejectionReason]
    examples: list[RejectedValue]


class DataOverview(BaseModel):
    """Statistics of the published rows."""

    origin: PublishedOrigin
    dialect: str
    rows: int
    classes: list[str]
    columns: list[ColumnOverview]
    correlations: PairMatrix
    associations: PairMatrix
    gaps: MissingByLevel | None
    sample: DataSample
    quarantine: QuarantineOverview

    @property
    def target(self) -> ColumnOverview:
        """Column that the models predict."""
        return next(each for each in self.columns if each.target)


class PublishedData(BaseModel):
    """Data that the ETL published for a period, `YYYY-MM`."""

    model: str
    period: str
    periods: list[str]
    source: str
    counts: RowCounts
    dropped: dict[str, str]
    train_test_duplicates: int
    overview: DataOverview


def fetch_data(api: Transport, model: str, period: str | None = None) -> PublishedData:
    """Fetch the data of a period, `YYYY-MM`; of the latest when None.

    Raises:
        RefusedError: Nothing is published for the period.
    """
    return api.fetch(PublishedData, "GET", build_path(model, "/data"), params={"period": period})
