"""The target of a draft: type of prediction, classes in order, range of a number."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from servicio_ml.domain.schema import Field, Parse
from servicio_ml.domain.use_case import Target, Task
from servicio_ml.domain.values import normalize_code
from servicio_ml.errors import DraftError, format_names
from servicio_ml.pipeline.drafting.columns.category import find_category
from servicio_ml.pipeline.drafting.columns.date import find_date
from servicio_ml.pipeline.drafting.columns.measure import find_measure
from servicio_ml.pipeline.drafting.columns.number import find_number
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding, RawColumn, parse_numbers
from servicio_ml.pipeline.drafting.columns.statistics import find_bounds
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons
from servicio_ml.pipeline.drafting.targets.labels import sort_classes
from servicio_ml.pipeline.drafting.targets.logarithm import wants_logarithm

MAX_CLASSES = 10
"""Maximum number of different whole numbers that are classes."""
MIN_CLASS_ROWS = 40
"""Minimum number of rows of a class: of a fifth of fewer, a test may hold none."""
TWO = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFinding:
    """What is predicted.

    Attributes:
        target: The target.
        task: Type of prediction.
        reason: What was seen.
        values: Labels or numbers in the order of the rows, null where there is none.
    """

    target: Target
    task: Task
    reason: str
    values: pl.Series


def find_target(column: RawColumn, positive: str, source_name: str) -> TargetFinding:
    """Find the type of prediction from the texts of the target.

    Args:
        column: Raw column of the target.
        positive: Label of the positive class; empty infers it.
        source_name: Name of the file, for messages.

    Raises:
        DraftError: The column is no target: one value, dates, or too many different texts; or it has no two
            classes of which `positive` is one.
    """
    _refuse_target(column, source_name)
    found = _find_target(column, positive, source_name)
    if positive and positive not in found.target.labels[-1:]:
        raise DraftError(source_name, _describe_positive(positive, found.target))
    return found


def _describe_positive(positive: str, target: Target) -> str:
    classes = f"its classes are {format_names(target.labels)}" if target.labels else "it is a number"
    return f"the target {target.column!r} has no positive class {positive!r} of two: {classes}"


def _find_target(column: RawColumn, positive: str, source_name: str) -> TargetFinding:
    numbers = parse_numbers(column.present, column.decimal)
    is_code = not numbers.null_count() and bool((numbers == numbers.floor()).all())
    if is_code and numbers.n_unique() <= MAX_CLASSES:
        return _build_class_target(column, positive, source_name)
    found = find_number(column) or find_measure(column)
    # two different numbers are the levels of a category
    if found is None or found.field is None or found.field.levels:
        return _build_class_target(column, positive, source_name)
    return _build_number_target(column, found, found.field)


def _refuse_target(column: RawColumn, source_name: str) -> None:
    texts = column.present
    if texts.n_unique() <= 1:
        seen = "no value" if texts.is_empty() else f"only the value {texts[0]!r}"
        problem = f"the target {column.name!r} has {seen}; a model needs two different ones"
        raise DraftError(source_name, problem)
    if find_date(column):
        problem = f"the target {column.name!r} holds dates; only classes and numbers are predicted"
        raise DraftError(source_name, problem)


def _build_number_target(column: RawColumn, found: ColumnFinding, field: Field) -> TargetFinding:
    values = pl.Series(found.values, dtype=pl.Float64)
    is_log = wants_logarithm(values.drop_nulls())
    target = Target(
        name=column.field_name, column=column.name, unit=field.unit, parse=field.parse, log=is_log,
        minimum=_find_positive_bound(values, field) if is_log else field.minimum, maximum=field.maximum,
    )  # fmt: skip
    logarithm = format_reason("skewed and positive: fitted to its logarithm") if is_log else ""
    reason = join_reasons(found.reason, logarithm)
    return TargetFinding(target=target, task=Task.REGRESSION, reason=reason, values=values)


def _find_positive_bound(values: pl.Series, field: Field) -> float:
    """Find a minimum above 0, half the least value of the file."""
    if field.minimum is not None and field.minimum > 0:
        return field.minimum
    low, _ = find_bounds(values)
    half = float(f"{low / TWO:.1g}")
    return int(half) if half == int(half) else half


def _build_class_target(column: RawColumn, positive: str, source_name: str) -> TargetFinding:
    texts, recode = _normalize_labels(column, source_name)
    counts = Counter(texts.drop_nulls().to_list())
    rare = sorted(label for label, rows in counts.items() if rows < MIN_CLASS_ROWS)
    kept = {label: rows for label, rows in counts.items() if label not in rare}
    if len(kept) < TWO:
        raise DraftError(source_name, _describe_rare(column.name, {label: counts[label] for label in rare}))
    labels, reason = sort_classes(kept, positive if positive in kept else "")
    task = Task.BINARY if len(labels) == TWO else Task.MULTICLASS
    if rare:
        few = format_reason(
            "rows of the class {labels} go to quarantine: fewer than {number} rows",
            labels=format_names(rare), number=MIN_CLASS_ROWS,
        )  # fmt: skip
        reason = join_reasons(reason, few)
    target = Target(
        name=column.field_name, column=column.name, labels=labels, parse=Parse(recode=_select(recode, labels))
    )
    values = texts.set(~texts.is_in([*labels]).fill_null(value=False), None)
    return TargetFinding(target=target, task=task, reason=reason, values=values)


def _describe_rare(name: str, rare: Mapping[str, int]) -> str:
    few = ", ".join(f"{label!r} has {rows} rows" for label, rows in [*rare.items()][:3])
    return f"too few rows of a class of {name!r}: {few}; {MIN_CLASS_ROWS} are needed of each"


def _select(recode: dict[str, str], labels: tuple[str, ...]) -> dict[str, str]:
    return {text: label for text, label in recode.items() if label in labels}


def _normalize_labels(column: RawColumn, source_name: str) -> tuple[pl.Series, dict[str, str]]:
    """Give equal numbers, and texts that differ in case only, one form."""
    codes = {text: normalize_code(text) for text in column.present.unique()}
    if None not in codes.values():
        return column.texts.replace({text: code or text for text, code in codes.items()}), {}
    found = find_category(column)
    if found.field is None:
        problem = f"the target {column.name!r} has {len(codes)} different texts"
        raise DraftError(source_name, f"{problem}; name a column of classes or numbers by --target")
    recode = dict(found.field.parse.recode)
    return (column.texts.replace(recode) if recode else column.texts), recode
