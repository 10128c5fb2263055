"""Groups of rows that intervals and sets are calibrated in separately."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.features.encoder import Matrix

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroups:
    """Groups of rows, so that coverage holds in each (Mondrian conformal prediction).

    Source: Vovk, Lindsay, Nouretdinov and Gammerman, "Mondrian Confidence Machine" (2003).

    Attributes:
        field: Field whose levels are the groups; empty where the groups are ranges of difficulty.
        column: Index of its column in the matrix; -1 without a field.
        codes: Code of the level of each group; the group after them holds all other rows.
        edges: Difficulties that part the groups, ascending; empty with a field.
    """

    field: str = ""
    column: int = -1
    codes: tuple[int, ...] = ()
    edges: tuple[float, ...] = ()

    def assign(self, matrix: Matrix, difficulty: Floats) -> Indices:
        """Assign each row to its group, `[n]`.

        Args:
            matrix: `[n, features]`.
            difficulty: `[n]`.
        """
        if not self.field:
            return np.searchsorted(self.edges, difficulty, side="right")
        groups = np.full(len(matrix), len(self.codes), dtype=np.intp)
        for group, code in enumerate(self.codes):
            groups[matrix[:, self.column] == code] = group
        return groups

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in RowGroups.__slots__}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "RowGroups":
        parts = {"codes": tuple(document["codes"]), "edges": tuple(document["edges"])}
        return cls(**{**document, **parts})
