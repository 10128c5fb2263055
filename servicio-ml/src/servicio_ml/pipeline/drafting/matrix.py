"""Matrix of the values that were found, for quick models."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from servicio_ml.domain.schema import Field
from servicio_ml.domain.use_case import Task
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding
from servicio_ml.pipeline.drafting.targets.finding import TargetFinding

MAX_ROWS = 10_000
"""Maximum number of rows of a quick model."""
TEST_EVERY = 4
"""Every fourth row is a test row."""
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Labelled rows as numbers.

    Attributes:
        features: Rows by columns; NaN where a value is missing.
        rows: Positions of the rows in the file, `[n]`.
        target: Numbers, or the positions of labels.
        test: True for test rows.
        task: Type of prediction.
    """

    features: Numbers
    rows: npt.NDArray[np.int64]
    target: Numbers
    test: npt.NDArray[np.bool_]
    task: Task


def build_problem(findings: Sequence[ColumnFinding], target: TargetFinding) -> Problem:
    """Build the labelled rows, or every n-th of them."""
    labels = target.target.labels
    answer = _encode(target.values, labels)
    columns = [
        _encode(each.values, _list_levels(each.field, each.values))
        for each in findings
        if each.field and each.values is not None
    ]
    labelled = np.flatnonzero(~np.isnan(answer))
    taken = labelled[:: -(-len(labelled) // MAX_ROWS)]
    return Problem(
        features=np.column_stack(columns)[taken],
        rows=taken,
        target=answer[taken],
        test=np.arange(len(taken)) % TEST_EVERY == 0,
        task=target.task,
    )


def split_by_date(problem: Problem, days: pl.Series) -> Problem:
    """Return the problem with the last rows by a date as test rows, if both sides have the same labels."""
    taken = days.to_physical().to_numpy()[problem.rows]
    test = taken > np.quantile(taken, 1 - 1 / TEST_EVERY)
    before, after = {*problem.target[~test]}, {*problem.target[test]}
    is_possible = bool(after) if problem.task is Task.REGRESSION else before == after
    return replace(problem, test=test) if is_possible else problem


def _list_levels(field: Field, values: pl.Series) -> Sequence[str]:
    if field.learned_levels:
        # frequent ones first, as the ETL orders them
        counts = values.drop_nulls().alias("text").value_counts(name="rows")
        return counts.sort("rows", "text", descending=[True, False])["text"].to_list()
    return field.levels


def _encode(values: pl.Series, levels: Sequence[str]) -> Numbers:
    if levels:
        codes = values.replace_strict([*levels], [*range(len(levels))], default=None, return_dtype=pl.Float64)
    else:
        codes = values.to_physical().cast(pl.Float64)
    return codes.fill_null(float("nan")).to_numpy()
