"""Segments: parts of the rows, by the level or range of one field, whose performance is watched."""

from dataclasses import dataclass
from typing import Annotated

from servicio_ml.domain.checks.attributes import Limits, check_attributes
from servicio_ml.domain.values import OTHER
from servicio_ml.errors import UseCaseError

MISSING_VALUE = "missing"
"""Value of a segment for rows without a value of its field."""
OTHER_VALUE = OTHER
"""Value of a segment for the levels that are not counted separately."""
MAX_LEVELS = 100
"""Maximum number of levels or ranges of a segment: each is about a dozen series of metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Field by whose levels or ranges the performance of a model is watched.

    Attributes:
        field: Name of a category, boolean or number field.
        edges: Ascending cuts of a number: a range holds `edges[i-1] <= value < edges[i]`; empty for a field
            with levels.
        maximum: Maximum number of levels that are counted separately, those with the most training rows; the
            rows of others count as `other`, those without a value as `missing`.
        cells: Whether rows are also counted by predicted and actual class, as rates by group need.
    """

    field: str
    edges: tuple[float, ...] = ()
    maximum: Annotated[int, Limits(minimum=1, maximum=MAX_LEVELS)] = 20
    cells: bool = False

    def __post_init__(self) -> None:
        where = f"segment {self.field!r}"
        check_attributes(self, where)
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise UseCaseError(where, f"edges are {self.edges}; name ascending ones, each once")
        if len(self.edges) >= MAX_LEVELS:
            raise UseCaseError(where, f"{len(self.edges)} edges; name at most {MAX_LEVELS - 1}")

    def count_values(self, levels: int) -> int:
        """Count the values of the segment, `other` and `missing` included.

        Args:
            levels: Number of levels of the field; 0 for a number.
        """
        if self.edges:
            return len(self.edges) + 2
        return min(self.maximum, levels) + 2
