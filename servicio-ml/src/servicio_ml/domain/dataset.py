"""Manifest of a published period: keys of its files, digest, row counts and schema."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.errors import ContractError

# the line number makes a published row traceable to its raw file, also after rows were rejected
SOURCE_LINE = "line"
"""Column of published rows with the line number of the row in the raw file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """Numbers of rows of a raw file by status.

    Attributes:
        read: Rows of the raw file.
        train: Rows published for training.
        test: Rows published for evaluation.
        quarantined: Rejected rows.
        duplicates: Copies of a published row.
        unlabelled: Rows without a target.
        later: Rows dated after the end of the period.

    Raises:
        ContractError: The counts do not add up to the rows read.
    """

    read: int
    train: int
    test: int
    quarantined: int
    duplicates: int
    unlabelled: int
    later: int

    def __post_init__(self) -> None:
        # no row may disappear without a status: an ETL that drops rows silently fails here
        by_status = asdict(self)
        read = by_status.pop("read")
        if sum(by_status.values()) != read:
            raise ContractError(
                "row count", f"{read} rows read, {sum(by_status.values())} accounted for: {by_status}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Pointer to the files of a period; a reader of the manifest sees one consistent state.

    Attributes:
        use_case: Name of the use case.
        period: Period, `YYYY-MM`.
        source: Path or address of the raw file.
        raw: Key of the immutable copy of the raw file in the lake.
        digest: SHA-256 over the contents of train and test, the schema and the target.
        files: Keys in the lake of `train`, `test`, `quarantine` and `overview`.
        counts: Numbers of rows by status.
        schema: Fields without leaks and without absent optional columns.
        dropped: Reason by name of each field that is left out of the schema.
        train_test_duplicates: Number of test rows whose features equal those of a training row.
    """

    use_case: str
    period: str
    source: str
    raw: str
    digest: str
    files: Mapping[str, str]
    counts: RowCounts
    schema: FeatureSchema
    dropped: Mapping[str, str] = field(default_factory=dict)
    train_test_duplicates: int = 0

    def to_json(self) -> dict[str, Any]:
        # `asdict` of the manifest would copy the schema too, which has its own JSON form
        document = {name: getattr(self, name) for name in self.__slots__}
        return {**document, "counts": asdict(self.counts), "schema": self.schema.to_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Manifest":
        counts, schema = RowCounts(**document["counts"]), FeatureSchema.from_json(document["schema"])
        return cls(**{**document, "counts": counts, "schema": schema})
