"""Derived columns of a whole matrix, each kind of operation in one vectorised step."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.derived import Cyclic, Difference, Lookup, Missing, Ratio
from servicio_ml.domain.schema import FeatureSchema

Matrix = npt.NDArray[np.float32]
Step = Callable[[Matrix, Matrix], None]
"""Writes the columns of one kind: from their sources `[n, sources]` into the matrix."""


class Derivation:
    """Fills the derived columns of a matrix whose field columns are filled.

    One row costs about as much as one NumPy call per kind of operation, not per column.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        gathered = _Sources(schema)
        made = [make(schema, gathered) for make in (_lookups, _cycles, _differences, _ratios, _missing)]
        self._steps = [step for step in made if step is not None]
        self._sources = np.array(gathered.positions, dtype=np.intp)

    def fill(self, matrix: Matrix) -> None:
        """Write the derived columns in place.

        Args:
            matrix: `[n, features]`, float32; the columns of the fields are read only.
        """
        sources = matrix.take(self._sources, axis=1)
        for step in self._steps:
            step(sources, matrix)


class _Sources:
    """The columns that all steps read, gathered once."""

    def __init__(self, schema: FeatureSchema) -> None:
        self._schema = schema
        self.positions: list[int] = []

    def add(self, names: list[str]) -> slice:
        """Where those columns will be among the gathered ones."""
        start = len(self.positions)
        self.positions += [self._schema.names.index(name) for name in names]
        return slice(start, len(self.positions))


def _targets(schema: FeatureSchema, kind: type) -> slice | npt.NDArray[np.intp]:
    """Columns of one kind; a slice where they lie side by side, which NumPy writes faster."""
    names = [column.name for column in schema.derived if isinstance(column, kind)]
    at = np.array([schema.names.index(name) for name in names], dtype=np.intp)
    together = len(at) > 0 and at[-1] - at[0] == len(at) - 1
    return slice(int(at[0]), int(at[-1]) + 1) if together else at


def _lookups(schema: FeatureSchema, gathered: _Sources) -> Step | None:
    columns = [column for column in schema.derived if isinstance(column, Lookup)]
    if not columns:
        return None
    read, targets = gathered.add([column.source for column in columns]), _targets(schema, Lookup)
    tables: list[list[float]] = []
    offsets: list[int] = []
    for column in columns:
        offsets.append(sum(len(table) for table in tables))
        # the first entry answers a missing code
        tables.append([np.nan, *(column.table[level] for level in schema.field(column.source).levels)])
    flat = np.array([value for table in tables for value in table], dtype=np.float32)
    shift = np.array(offsets, dtype=np.float32) + 1

    def fill(sources: Matrix, matrix: Matrix) -> None:
        # fmax ignores NaN: a missing code becomes -1 and so the entry before the table's first level
        codes = np.fmax(sources[:, read], -1)
        codes += shift
        matrix[:, targets] = flat.take(codes.astype(np.intp))

    return fill


def _cycles(schema: FeatureSchema, gathered: _Sources) -> Step | None:
    columns = [column for column in schema.derived if isinstance(column, Cyclic)]
    if not columns:
        return None
    read, targets = gathered.add([column.source for column in columns]), _targets(schema, Cyclic)
    speed = np.array([2 * np.pi / column.period for column in columns])
    # cos x = sin(x + π/2)
    phase = np.array([np.pi / 2 if column.wave == "cos" else 0.0 for column in columns])

    def fill(sources: Matrix, matrix: Matrix) -> None:
        matrix[:, targets] = np.sin(sources[:, read] * speed + phase)

    return fill


def _differences(schema: FeatureSchema, gathered: _Sources) -> Step | None:
    columns = [column for column in schema.derived if isinstance(column, Difference)]
    if not columns:
        return None
    plus = gathered.add([column.minuend for column in columns])
    minus = gathered.add([column.subtrahend for column in columns])
    targets = _targets(schema, Difference)

    def fill(sources: Matrix, matrix: Matrix) -> None:
        matrix[:, targets] = sources[:, plus] - sources[:, minus]

    return fill


def _ratios(schema: FeatureSchema, gathered: _Sources) -> Step | None:
    columns = [column for column in schema.derived if isinstance(column, Ratio)]
    if not columns:
        return None
    above = gathered.add([column.numerator for column in columns])
    below = gathered.add([column.denominator for column in columns])
    targets = _targets(schema, Ratio)

    def fill(sources: Matrix, matrix: Matrix) -> None:
        divisor = sources[:, below]
        divisor[divisor == 0] = np.nan
        matrix[:, targets] = sources[:, above] / divisor

    return fill


def _missing(schema: FeatureSchema, gathered: _Sources) -> Step | None:
    columns = [column for column in schema.derived if isinstance(column, Missing)]
    if not columns:
        return None
    read, targets = gathered.add([column.source for column in columns]), _targets(schema, Missing)

    def fill(sources: Matrix, matrix: Matrix) -> None:
        matrix[:, targets] = np.isnan(sources[:, read])

    return fill
