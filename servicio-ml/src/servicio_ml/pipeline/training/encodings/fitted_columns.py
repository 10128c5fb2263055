"""Columns that are fitted on training rows: a number by level, and each training row's own, out of fold."""

from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.derived import Fitted, Frequency, GroupMean, Lookup, TargetMean
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.encoder import Matrix

Floats = npt.NDArray[np.floating[Any]]
CROSS_FITTING_FOLDS = 5


class FittedColumn:
    """One fitted column of a schema.

    Attributes:
        position: Position of the column in the matrix.
    """

    def __init__(self, column: Fitted, schema: FeatureSchema) -> None:
        self._column = column
        category = column.by if isinstance(column, GroupMean) else column.source
        self._category, self._levels = category, schema.get_field(category).levels
        self._codes = schema.names.index(category)
        self._numbers = schema.names.index(column.source)
        self.position = schema.names.index(column.name)

    def fit_table(self, matrix: Matrix, target: Floats, weights: Floats | None = None) -> Floats:
        """Compute the number of each level, `[levels]`.

        Args:
            matrix: Training rows `[n, features]`; only their fields are read.
            target: What is fitted, `[n]`.
            weights: `[n]`, about 1 on average; None where all rows count the same.
        """
        codes, masses = matrix[:, self._codes], np.ones(len(matrix)) if weights is None else weights
        match self._column:
            case Frequency():
                known = ~np.isnan(codes)
                places = codes[known].astype(np.intp)
                return np.asarray(np.bincount(places, masses[known], len(self._levels)) / masses.sum())
            case TargetMean(smoothing=smoothing):
                return self._average(codes, target, masses, smoothing)
            case GroupMean():
                return self._average(codes, matrix[:, self._numbers].astype(np.float64), masses, 0.0)

    def _average(self, codes: Floats, values: Floats, masses: Floats, smoothing: float) -> Floats:
        present = ~np.isnan(values)
        # a column without any number has none to give
        mean = float(np.average(values[present], weights=masses[present])) if present.any() else 0.0
        known = ~np.isnan(codes) & present
        places, levels = codes[known].astype(np.intp), len(self._levels)
        totals = np.bincount(places, masses[known], levels) + smoothing
        sums = np.bincount(places, masses[known] * values[known], levels) + smoothing * mean
        # without smoothing, a level without rows has the mean of all
        return np.asarray(np.divide(sums, totals, out=np.full(levels, mean), where=totals > 0))

    def build_lookup(self, table: Floats) -> Lookup:
        """Build the column of the model from the numbers of the levels."""
        numbers = dict(zip(self._levels, table.tolist(), strict=True))
        return Lookup(name=self._column.name, source=self._category, table=numbers)

    def encode(self, table: Floats, matrix: Matrix) -> Floats:
        """Look up the numbers of rows `[n]` in a table; a missing level has none."""
        codes = matrix[:, self._codes]
        # the last entry is that of a missing code
        places = np.where(np.isnan(codes), -1, codes).astype(np.intp)
        return np.asarray(np.append(table, np.nan)[places])

    def encode_training_rows(
        self, matrix: Matrix, target: Floats, weights: Floats | None, seed: int
    ) -> Floats:
        """Encode rows `[n]` that a model is fitted on.

        A mean of the target is that of the other folds: a row's own target would give itself away, and the
        model would trust a rare level more than it may. scikit-learn's `TargetEncoder` does the same.
        """
        if not isinstance(self._column, TargetMean):
            return self.encode(self.fit_table(matrix, target, weights), matrix)
        folds = np.random.default_rng(seed).permutation(len(matrix)) % CROSS_FITTING_FOLDS
        values = np.full(len(matrix), np.nan)
        for fold in range(CROSS_FITTING_FOLDS):
            own = folds == fold
            table = self.fit_table(matrix[~own], target[~own], None if weights is None else weights[~own])
            values[own] = self.encode(table, matrix[own])
        return values


def list_fitted_columns(schema: FeatureSchema) -> tuple[FittedColumn, ...]:
    """List the columns of a schema that are fitted on training rows."""
    return tuple(
        FittedColumn(column, schema)
        for column in schema.derived
        if isinstance(column, TargetMean | Frequency | GroupMean)
    )


def fit_schema(
    schema: FeatureSchema, matrix: Matrix, target: Floats, weights: Floats | None = None
) -> FeatureSchema:
    """Return the schema with the tables of its fitted columns.

    Args:
        schema: Schema of a period, with the levels of its categories.
        matrix: Training rows `[n, fields]`.
        target: What is fitted, `[n]`.
        weights: `[n]`, with a mean of 1; None where all rows count the same.
    """
    columns = list_fitted_columns(schema)
    lookups = (each.build_lookup(each.fit_table(matrix, target, weights)) for each in columns)
    return schema.set_tables({lookup.name: lookup for lookup in lookups})
