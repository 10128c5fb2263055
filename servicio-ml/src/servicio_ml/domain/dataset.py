"""What the ETL publishes for a period: counted, digested, described."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.errors import ContractError

SOURCE_LINE = "line"
"""The column of published rows that tells a row's line in the raw file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Where every row of the raw file went.

    Attributes:
        read: Rows of the raw file.
        train: Published for training.
        test: Published for evaluation.
        quarantined: Rejected, each with its reason and line.
        duplicates: Copies of a row that was kept.
        unlabelled: Rows without a target.
        later: Rows dated after the end of the period.

    Raises:
        ContractError: The parts do not add up to the rows read.
    """

    read: int
    train: int
    test: int
    quarantined: int
    duplicates: int
    unlabelled: int
    later: int

    def __post_init__(self) -> None:
        parts = asdict(self)
        read = parts.pop("read")
        if sum(parts.values()) != read:
            raise ContractError(
                "row count", f"{read} rows read, {sum(parts.values())} accounted for: {parts}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The pointer to a period's data: who reads it reads one consistent state.

    Attributes:
        use_case: Its name.
        period: `YYYY-MM`.
        source: Where the raw file was taken from.
        raw: Key of its immutable copy in the lake.
        digest: SHA-256 over the contents of train and test, the schema and the target.
        files: `train`, `test`, `quarantine` and `overview` to their keys in the lake.
        counts: Where every row went.
        schema: The fields that survived (leaks and absent optional columns are dropped).
        dropped: Field to the reason why it is no part of the schema.
        twins: Test rows whose features stand in train too.
    """

    use_case: str
    period: str
    source: str
    raw: str
    digest: str
    files: Mapping[str, str]
    counts: Counts
    schema: FeatureSchema
    dropped: Mapping[str, str] = field(default_factory=dict)
    twins: int = 0

    def to_json(self) -> dict[str, Any]:
        document = {name: getattr(self, name) for name in self.__slots__}
        return {**document, "counts": asdict(self.counts), "schema": self.schema.to_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Manifest":
        return cls(
            **{
                **document,
                "counts": Counts(**document["counts"]),
                "schema": FeatureSchema.from_json(document["schema"]),
            }
        )
