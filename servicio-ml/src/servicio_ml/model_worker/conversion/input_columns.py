"""Columns that an imported model reads, and how each is made of the matrix of the platform."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

TEXT, NUMBER, INTEGER, BOOLEAN, CATEGORY = "string", "float64", "int64", "bool", "category"
TYPES = (TEXT, NUMBER, INTEGER, BOOLEAN, CATEGORY)
"""Types of columns: those that pandas reads from a file, and its category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputColumn:
    """One column that a model reads.

    Attributes:
        name: Name by which the model knows it.
        place: Column of the float32 matrix, in which a text is the index of its level.
        type: One of `TYPES`.
        field: Field of the schema that holds its values; empty for a derived column.
        levels: Texts of a string or category, in the order of their codes.
        nullable: Whether a value may be missing.
        decimals: Maximum number of decimals of a number in the rows that the model was imported with.
    """

    name: str
    place: int
    type: str
    field: str = ""
    levels: tuple[str, ...] = ()
    nullable: bool = False
    decimals: int = 0

    @property
    def is_text(self) -> bool:
        return self.type in {TEXT, CATEGORY}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def build_columns_from_json(documents: Sequence[Mapping[str, Any]]) -> tuple[InputColumn, ...]:
    """Build the columns of documents of `InputColumn.to_json`."""
    return tuple(InputColumn(**{**each, "levels": tuple(each["levels"])}) for each in documents)
