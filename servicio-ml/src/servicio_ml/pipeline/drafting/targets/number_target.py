"""A target that is a number: its range, as the file or the user gives it, and whether it has a logarithm."""

import polars as pl

from servicio_ml.domain.schema import Field
from servicio_ml.domain.use_case import Target, Task
from servicio_ml.errors import DraftError
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding, RawColumn
from servicio_ml.pipeline.drafting.columns.statistics import find_bounds
from servicio_ml.pipeline.drafting.corrections import REASON, ColumnCorrection
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons
from servicio_ml.pipeline.drafting.targets.finding import TargetFinding
from servicio_ml.pipeline.drafting.targets.logarithm import wants_logarithm


def build_number_target(
    column: RawColumn, found: ColumnFinding, field: Field, correction: ColumnCorrection, source_name: str
) -> TargetFinding:
    """Build the finding of a target that is a number; the rows outside of its range do not train.

    Args:
        column: Raw column of the target.
        found: What it is as a column of numbers.
        field: The field that it would be.
        correction: Range that the user gives.
        source_name: Name of the file, for messages.

    Raises:
        DraftError: The corrected range has fewer than two different numbers of the file.
        UseCaseError: The corrected minimum is above the maximum.
    """
    values = pl.Series(found.values, dtype=pl.Float64)
    target = _build_target(column, field, values, correction)
    is_corrected = target != _build_target(column, field, values, ColumnCorrection())
    if is_corrected:
        values = _keep_range(values, target.minimum, target.maximum)
        if values.drop_nulls().n_unique() <= 1:
            problem = f"the target {column.name!r} has fewer than two different numbers"
            raise DraftError(
                source_name, f"{problem} from {target.minimum} to {target.maximum}; correct its range"
            )
    logarithm = format_reason("skewed and positive: fitted to its logarithm") if target.log else ""
    reason = join_reasons(found.reason, REASON if is_corrected else "", logarithm)
    return TargetFinding(target=target, task=Task.REGRESSION, reason=reason, values=values)


def _build_target(column: RawColumn, field: Field, values: pl.Series, correction: ColumnCorrection) -> Target:
    low = field.minimum if correction.minimum is None else correction.minimum
    high = field.maximum if correction.maximum is None else correction.maximum
    numbers = _keep_range(values, low, high).drop_nulls()
    # a minimum of 0 that the user gives stays, and has no logarithm
    is_log = wants_logarithm(numbers) and (correction.minimum is None or correction.minimum > 0)
    if is_log and (low is None or low <= 0):
        low = _find_positive_bound(numbers)
    return Target(
        name=column.field_name, column=column.name, unit=field.unit, parse=field.parse, log=is_log,
        minimum=low, maximum=high,
    )  # fmt: skip


def _keep_range(values: pl.Series, low: float | None, high: float | None) -> pl.Series:
    outside = ~values.is_between(low, high).fill_null(value=True)
    return values.set(outside, None)


def _find_positive_bound(numbers: pl.Series) -> float:
    """Find a minimum above 0, half the least number of the file."""
    low, _ = find_bounds(numbers)
    half = float(f"{low / 2:.1g}")
    return int(half) if half == int(half) else half
