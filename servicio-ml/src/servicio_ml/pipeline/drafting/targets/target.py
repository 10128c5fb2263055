"""The target of a draft: a number or classes."""

import polars as pl

from servicio_ml.domain.use_case import Target
from servicio_ml.errors import DraftError, format_names
from servicio_ml.pipeline.drafting.columns.date import find_date
from servicio_ml.pipeline.drafting.columns.measure import find_measure
from servicio_ml.pipeline.drafting.columns.number import find_number
from servicio_ml.pipeline.drafting.columns.raw_column import RawColumn, parse_numbers
from servicio_ml.pipeline.drafting.corrections import ColumnCorrection
from servicio_ml.pipeline.drafting.targets.class_target import MIN_CLASS_ROWS, build_class_target
from servicio_ml.pipeline.drafting.targets.finding import TargetFinding
from servicio_ml.pipeline.drafting.targets.number_target import build_number_target

MAX_CLASSES = 10
"""Maximum number of different whole numbers that are classes."""
TWO = 2
MAX_RARE_SHARE = 0.1
"""Maximum share of the rows with rare ones of more than two whole numbers that are classes."""


def find_target(
    column: RawColumn, positive: str, correction: ColumnCorrection, source_name: str
) -> TargetFinding:
    """Find the type of prediction from the texts of the target.

    Args:
        column: Raw column of the target.
        positive: Label of the positive class; empty infers it.
        correction: Range of a number; what is None is inferred.
        source_name: Name of the file, for messages.

    Raises:
        DraftError: The column is no target: one value, dates, or too many different texts; it has no two
            classes of which `positive` is one; or it cannot be what the correction says.
        UseCaseError: The corrected minimum is above the maximum.
    """
    _refuse_target(column, source_name)
    if correction.kind or correction.levels:
        problem = f"{column.name!r} is the target; of it only minimum and maximum can be corrected"
        raise DraftError(source_name, problem)
    found = _find_target(column, positive, correction, source_name)
    labels = found.target.labels
    if labels and (correction.minimum, correction.maximum) != (None, None):
        problem = f"the target {column.name!r} has classes ({format_names(labels)}) and no range"
        raise DraftError(source_name, problem)
    if positive and positive not in labels[-1:]:
        raise DraftError(source_name, _describe_positive(positive, found.target))
    return found


def _describe_positive(positive: str, target: Target) -> str:
    classes = f"its classes are {format_names(target.labels)}" if target.labels else "it is a number"
    return f"the target {target.column!r} has no positive class {positive!r} of two: {classes}"


def _find_target(
    column: RawColumn, positive: str, correction: ColumnCorrection, source_name: str
) -> TargetFinding:
    numbers = parse_numbers(column.present, column.decimal)
    if _has_codes(numbers):
        return build_class_target(column, positive, source_name)
    found = find_number(column) or find_measure(column)
    # two different numbers are the levels of a category
    if found is None or found.field is None or found.field.levels:
        return build_class_target(column, positive, source_name)
    return build_number_target(column, found, found.field, correction, source_name)


def _has_codes(numbers: pl.Series) -> bool:
    """Whether few whole numbers are classes: rare ones lose their rows as classes, and none as numbers."""
    if numbers.null_count() or not (numbers == numbers.floor()).all() or numbers.n_unique() > MAX_CLASSES:
        return False
    rows = numbers.value_counts()["count"]
    rare = rows.filter(rows < MIN_CLASS_ROWS).sum() / len(numbers)
    return len(rows) <= TWO or rare <= MAX_RARE_SHARE


def _refuse_target(column: RawColumn, source_name: str) -> None:
    texts = column.present
    if texts.n_unique() <= 1:
        seen = "no value" if texts.is_empty() else f"only the value {texts[0]!r}"
        problem = f"the target {column.name!r} has {seen}; a model needs two different ones"
        raise DraftError(source_name, problem)
    if find_date(column):
        problem = f"the target {column.name!r} holds dates; only classes and numbers are predicted"
        raise DraftError(source_name, problem)
