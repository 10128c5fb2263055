"""Segments of a model version: the value of each row, and the performance on unseen rows by value.

The loss of a row is 1 where a class is wrong, else 0; for a number it is the absolute error. Its mean over
rows is the error rate (1 - accuracy), or the mean absolute error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from dataclasses import field as attribute
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.fields.segment import MISSING_VALUE, OTHER_VALUE, Segment
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.bins import Numbers
from servicio_ml.features.performance.looks import WINDOW_DAYS

Indices = npt.NDArray[np.intp]
MIN_REFERENCE_ROWS = 30
"""Minimum number of unseen rows of a value; with fewer, its performance is not compared."""
MIN_BLOCKS = 50
"""Minimum number of blocks of time that the design effect is measured by."""
MAX_BLOCKS = 1e6
"""Above the number of blocks of a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentProfile:
    """Segment of a model version, with its values fixed at training.

    Attributes:
        field: Name of the field.
        column: Index of its column in the matrix.
        values: Values that metrics have as labels; the last one is `missing`, and the one before it `other`
            where the field has levels.
        codes: Codes of the levels that have a value of their own, in the order of `values`; empty for ranges.
        edges: Edges of the ranges of a number.
        cells: Whether rows are counted by predicted and actual class, too.
        protected: Whether it is a protected attribute.
        limits: Maximum difference between its groups by rate; empty without limits.
        rows: Number of rows that the model was not trained on, by value.
        losses: Mean loss of these rows by value; of few rows drawn a little towards that of all.
        variances: Variance of the loss of a row, by value.
        design_effect: Variance of a value's mean loss in a window, relative to that of independent rows.
    """

    field: str
    column: int
    values: tuple[str, ...]
    codes: tuple[int, ...] = ()
    edges: tuple[float, ...] = ()
    cells: bool = False
    protected: bool = False
    limits: Mapping[str, float] = attribute(default_factory=dict)
    rows: tuple[int, ...] = ()
    losses: tuple[float, ...] = ()
    variances: tuple[float, ...] = ()
    design_effect: float = 1.0

    def assign(self, matrix: Numbers) -> Indices:
        """Assign each row of a matrix `[n, features]` to its value: indices of `values`, `[n]`."""
        column = matrix[:, self.column]
        missing, last = np.isnan(column), len(self.values) - 1
        if self.edges:
            # side="right": the lower edge belongs to the range
            places = np.searchsorted(np.asarray(self.edges, dtype=column.dtype), column, side="right")
            return np.where(missing, last, places)
        table = np.full(max(self.codes, default=0) + 2, last - 1, dtype=np.intp)
        table[list(self.codes)] = np.arange(len(self.codes))
        # a code beyond the table is that of a level without a value of its own
        places = table[np.minimum(np.where(missing, len(table) - 1, column).astype(np.intp), len(table) - 1)]
        return np.where(missing, last, places)

    @property
    def is_compared(self) -> tuple[bool, ...]:
        """Whether each value has enough unseen rows for a comparison."""
        return tuple(rows >= MIN_REFERENCE_ROWS for rows in self.rows) or (False,) * len(self.values)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "SegmentProfile":
        # JSON has lists only
        tuples: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        return cls(**tuples)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenLosses:
    """Losses of rows that the model was not trained on.

    Attributes:
        rows: Indices among the training rows, `[m]`.
        losses: Loss of each, `[m]`; NaN without ground truth.
        days: Days since 1970 of each, `[m]`; None where rows have no date.
        is_share: Whether losses are 0 or 1.
    """

    rows: npt.NDArray[np.int64]
    losses: Numbers
    days: Numbers | None
    is_share: bool


def build_segments(
    schema: FeatureSchema, segments: Sequence[Segment], matrix: Numbers, unseen: UnseenLosses, effect: float
) -> tuple[SegmentProfile, ...]:
    """Build the segments of a version.

    Args:
        schema: Schema of the matrix.
        segments: Segments of the use case.
        matrix: Training rows, `[n, features]`.
        unseen: Losses of rows that the model was not trained on.
        effect: Design effect where it cannot be measured.
    """
    plain = (_choose_values(schema, segment, matrix) for segment in segments)
    return tuple(_measure_losses(profile, matrix, unseen, effect) for profile in plain)


def _choose_values(schema: FeatureSchema, segment: Segment, matrix: Numbers) -> SegmentProfile:
    """Choose the values of a segment by the training rows."""
    column, levels = schema.names.index(segment.field), schema.get_field(segment.field).levels
    if segment.edges:
        values: tuple[str, ...] = (*_name_ranges(segment.edges), MISSING_VALUE)
        codes: tuple[int, ...] = ()
    else:
        known = matrix[:, column][~np.isnan(matrix[:, column])].astype(np.intp)
        counts = np.bincount(known, minlength=len(levels))
        # a level called `other` counts as others: two series cannot have the same labels
        own = [code for code, level in enumerate(levels) if level != OTHER_VALUE]
        frequent = sorted(own, key=lambda code: -counts[code])[: segment.maximum]
        codes = tuple(sorted(frequent))
        values = (*(levels[code] for code in codes), OTHER_VALUE, MISSING_VALUE)
    return SegmentProfile(
        field=segment.field, column=column, values=values, codes=codes, edges=segment.edges,
        cells=segment.cells,
    )  # fmt: skip


def _name_ranges(edges: Sequence[float]) -> list[str]:
    shown = [f"{edge:.9g}" for edge in edges]
    inner = (f"{low} to {high}" for low, high in pairwise(shown))
    return [f"< {shown[0]}", *inner, f">= {shown[-1]}"]


def _measure_losses(
    profile: SegmentProfile, matrix: Numbers, unseen: UnseenLosses, effect: float
) -> SegmentProfile:
    if not len(unseen.losses) or np.isnan(unseen.losses).any():
        return profile
    places, losses = profile.assign(matrix[unseen.rows]), unseen.losses.astype(np.float64)
    rows = np.bincount(places, minlength=len(profile.values))
    # one row more with the mean of all: a value without an error would have no variance
    means = (np.bincount(places, losses, len(rows)) + losses.mean()) / (rows + 1)
    squares = (np.bincount(places, losses**2, len(rows)) + (losses**2).mean()) / (rows + 1)
    variances = means * (1 - means) if unseen.is_share else np.maximum(squares - means**2, 0.0)
    return replace(
        profile,
        rows=tuple(rows.tolist()),
        losses=tuple(means.tolist()),
        variances=tuple(variances.tolist()),
        design_effect=_measure_design_effect(places, losses, means, unseen.days, effect),
    )


def _measure_design_effect(
    places: Indices, losses: Numbers, means: Numbers, days: Numbers | None, effect: float
) -> float:
    """Measure how much more the mean loss of a value varies between windows than that of independent rows.

    Σ (S - n m)² / Σ n v over the windows of all values, with the sum S of the n losses of a window, and the
    mean m and variance v of the value's losses (Kish 1965); the largest of all lengths. It contains what the
    seasons change.
    """
    if days is None or np.isnan(days).any():
        return effect
    deviations, found = losses - means[places], [1.0]
    for length in WINDOW_DAYS:
        blocks = np.unique(places * MAX_BLOCKS + days // length, return_inverse=True)[1]
        if blocks.max() + 1 < MIN_BLOCKS:
            return effect
        found.append(float(np.sum(np.bincount(blocks, deviations) ** 2) / np.sum(deviations**2)))
    return max(found)
