"""Computation of derived columns, one vectorised step for each kind of operation."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.derived import (
    Bins,
    Cyclic,
    DatePart,
    Derived,
    Difference,
    Expression,
    Frequency,
    GroupMean,
    Lookup,
    Missing,
    Ratio,
    TargetMean,
)
from servicio_ml.domain.fields.date_time import SECONDS_PER_DAY
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.errors import UseCaseError
from servicio_ml.features.derived_values import (
    Evaluate,
    Values,
    build_bins,
    build_date_part,
    build_expression,
)

Matrix = npt.NDArray[np.float32]
Sources = Matrix | Values
Step = Callable[[Sources, Matrix], None]
"""Function that writes the columns of one kind, from their sources `[n, sources]` into the matrix."""


class Derivation:
    """Fills the derived columns of a matrix.

    One row costs about one NumPy call for each kind of operation, not for each column.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        for column in schema.derived:
            if isinstance(column, TargetMean | Frequency | GroupMean):
                problem = "it has no value before it is fitted; training gives the model's schema its table"
                raise UseCaseError(f"derived column {column.name!r}", problem)
        reads = _Sources(schema)
        built = [
            build(schema, reads)
            for build in (
                _build_lookups,
                _build_cycles,
                _build_differences,
                _build_ratios,
                _build_missing_indicators,
                partial(_build_columns, kind=Expression, build=build_expression),
                partial(_build_columns, kind=Bins, build=build_bins),
                partial(_build_columns, kind=DatePart, build=build_date_part),
            )
        ]
        self._steps = [step for step in built if step is not None]
        self._sources = np.array(reads.positions, dtype=np.intp)
        seconds = schema.seconds
        self._timed = [(i, seconds[field]) for i, field in enumerate(reads.positions) if field in seconds]

    def fill(self, matrix: Matrix) -> None:
        """Write the derived columns in place.

        Args:
            matrix: Matrix `[n, features]`, float32, with filled columns of the fields.
        """
        # one copy of all sources, so that each step reads adjacent memory
        sources: Sources = matrix.take(self._sources, axis=1)
        if self._timed:
            # in float32 a day with its fraction would lose its seconds
            sources = sources.astype(np.float64)
            for source, column in self._timed:
                sources[:, source] += matrix[:, column] / np.float64(SECONDS_PER_DAY)
        for step in self._steps:
            step(sources, matrix)


class _Sources:
    """Source columns of all steps, so that one `take` reads them."""

    def __init__(self, schema: FeatureSchema) -> None:
        self._schema = schema
        self.positions: list[int] = []

    def add(self, names: list[str]) -> slice:
        """Add source columns and return their positions among the sources."""
        start = len(self.positions)
        self.positions += [self._schema.names.index(name) for name in names]
        return slice(start, len(self.positions))


def _locate_columns(schema: FeatureSchema, kind: type) -> slice | npt.NDArray[np.intp]:
    """Locate the columns of one kind; adjacent ones as a slice, which NumPy writes faster."""
    names = [column.name for column in schema.derived if isinstance(column, kind)]
    at = np.array([schema.names.index(name) for name in names], dtype=np.intp)
    together = len(at) > 0 and at[-1] - at[0] == len(at) - 1
    return slice(int(at[0]), int(at[-1]) + 1) if together else at


def _build_lookups(schema: FeatureSchema, reads: _Sources) -> Step | None:
    columns = [column for column in schema.derived if isinstance(column, Lookup)]
    if not columns:
        return None
    read, targets = reads.add([column.source for column in columns]), _locate_columns(schema, Lookup)
    tables: list[list[float]] = []
    offsets: list[int] = []
    for column in columns:
        offsets.append(sum(len(table) for table in tables))
        # the first entry of each table belongs to a missing code
        tables.append([np.nan, *(column.table[level] for level in schema.get_field(column.source).levels)])
    flat = np.array([value for table in tables for value in table], dtype=np.float32)
    shift = np.array(offsets, dtype=np.float32) + 1

    def fill(sources: Sources, matrix: Matrix) -> None:
        # fmax ignores NaN: a missing code becomes -1 and so the entry before the table's first level
        codes = np.fmax(sources[:, read], -1)
        codes += shift
        matrix[:, targets] = flat.take(codes.astype(np.intp))

    return fill


def _build_cycles(schema: FeatureSchema, reads: _Sources) -> Step | None:
    columns = [column for column in schema.derived if isinstance(column, Cyclic)]
    if not columns:
        return None
    read, targets = reads.add([column.source for column in columns]), _locate_columns(schema, Cyclic)
    # float64: days since 1970 times the speed would lose the phase in float32
    speed = np.array([2 * np.pi / column.period for column in columns])
    # cos x = sin(x + π/2)
    phase = np.array([np.pi / 2 if column.wave == "cos" else 0.0 for column in columns])

    def fill(sources: Sources, matrix: Matrix) -> None:
        matrix[:, targets] = np.sin(sources[:, read] * speed + phase)

    return fill


def _build_differences(schema: FeatureSchema, reads: _Sources) -> Step | None:
    columns = [column for column in schema.derived if isinstance(column, Difference)]
    if not columns:
        return None
    plus = reads.add([column.minuend for column in columns])
    minus = reads.add([column.subtrahend for column in columns])
    targets = _locate_columns(schema, Difference)

    def fill(sources: Sources, matrix: Matrix) -> None:
        matrix[:, targets] = sources[:, plus] - sources[:, minus]

    return fill


def _build_ratios(schema: FeatureSchema, reads: _Sources) -> Step | None:
    columns = [column for column in schema.derived if isinstance(column, Ratio)]
    if not columns:
        return None
    above = reads.add([column.numerator for column in columns])
    below = reads.add([column.denominator for column in columns])
    targets = _locate_columns(schema, Ratio)

    def fill(sources: Sources, matrix: Matrix) -> None:
        divisor = sources[:, below]
        # NaN and not infinity: trees and the drift bins know missing values only
        divisor[divisor == 0] = np.nan
        matrix[:, targets] = sources[:, above] / divisor

    return fill


def _build_missing_indicators(schema: FeatureSchema, reads: _Sources) -> Step | None:
    columns = [column for column in schema.derived if isinstance(column, Missing)]
    if not columns:
        return None
    read, targets = reads.add([column.source for column in columns]), _locate_columns(schema, Missing)

    def fill(sources: Sources, matrix: Matrix) -> None:
        matrix[:, targets] = np.isnan(sources[:, read])

    return fill


def _build_columns(
    schema: FeatureSchema, reads: _Sources, kind: type[Derived], build: Callable[[Any], Evaluate]
) -> Step | None:
    """Build the step of a kind whose columns differ too much for one NumPy call."""
    columns = [
        (schema.names.index(column.name), reads.add([*column.sources]), build(column))
        for column in schema.derived
        if isinstance(column, kind)
    ]

    def fill(sources: Sources, matrix: Matrix) -> None:
        for target, read, evaluate in columns:
            matrix[:, target] = evaluate(sources[:, read].astype(np.float64))

    return fill if columns else None
