"""Choice of the groups that intervals and sets are calibrated in, and their quantiles."""

from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.uncertainty.conformity import (
    ConformityTable,
    compute_effective_rows,
    compute_quantiles,
)
from servicio_ml.features.uncertainty.levels import DEFAULT_LEVEL
from servicio_ml.features.uncertainty.row_groups import RowGroups

Floats = npt.NDArray[np.floating[Any]]
MIN_GROUP_ROWS = 200
"""Minimum number of calibration rows of a group: 99 are needed for a level of 0.99."""
MAX_RANGES = 5
"""Maximum number of ranges of difficulty."""


def group_by_field(schema: FeatureSchema, field: str, matrix: Matrix) -> RowGroups:
    """Make a group of each level of a field that has enough rows; the others are one group.

    Args:
        schema: Schema of the matrix.
        field: Name of the field.
        matrix: Calibration rows, `[n, features]`.
    """
    column = schema.names.index(field)
    values = matrix[:, column]
    codes, counts = np.unique(values[~np.isnan(values)].astype(int), return_counts=True)
    kept = codes[counts >= MIN_GROUP_ROWS]
    return RowGroups(field=field, column=column, codes=tuple(kept.tolist()))


def group_by_difficulty(difficulty: Floats) -> RowGroups:
    """Make ranges of difficulty with as many calibration rows each; one where there are few rows."""
    ranges = int(np.clip(len(difficulty) // MIN_GROUP_ROWS, 1, MAX_RANGES))
    edges = np.quantile(difficulty, np.arange(1, ranges) / ranges)
    return RowGroups(edges=tuple(np.unique(edges).tolist()))


def build_table(
    groups: RowGroups, assigned: npt.NDArray[np.intp], scores: Floats, weights: Floats
) -> ConformityTable:
    """Build the quantiles of each group; a group with few rows gets those of all rows.

    Args:
        groups: The groups.
        assigned: Group of each calibration row, `[n]`.
        scores: Conformity scores, `[n]`.
        weights: Weights of the rows, `[n]`.
    """
    masks = [assigned == group for group in range(1 + max(len(groups.codes), len(groups.edges)))]
    used = [mask if mask.sum() >= MIN_GROUP_ROWS else np.ones(len(scores), dtype=bool) for mask in masks]
    return ConformityTable(
        rows=tuple(compute_effective_rows(weights[mask]) for mask in used),
        quantiles=tuple(compute_quantiles(scores[mask], weights[mask]) for mask in used),
    )


def measure_coverage(
    table: ConformityTable, assigned: npt.NDArray[np.intp], scores: Floats, weights: Floats
) -> float:
    """Measure the weighted share of the calibration rows that are covered at `DEFAULT_LEVEL`.

    The level itself where there are too few rows for it.
    """
    if table.max_level < DEFAULT_LEVEL:
        return DEFAULT_LEVEL
    covered = scores <= table.get_quantiles(DEFAULT_LEVEL)[assigned]
    return float(np.average(covered, weights=weights))
