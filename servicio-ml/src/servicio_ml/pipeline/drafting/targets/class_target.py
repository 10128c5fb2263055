"""A target of classes: their labels in order."""

from collections import Counter
from collections.abc import Mapping

import polars as pl

from servicio_ml.domain.schema import Parse
from servicio_ml.domain.use_case import Target, Task
from servicio_ml.domain.values import normalize_code
from servicio_ml.errors import DraftError, format_names
from servicio_ml.pipeline.drafting.columns.category import find_category
from servicio_ml.pipeline.drafting.columns.raw_column import RawColumn
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons
from servicio_ml.pipeline.drafting.targets.finding import TargetFinding
from servicio_ml.pipeline.drafting.targets.labels import sort_classes

MIN_CLASS_ROWS = 40
"""Minimum number of rows of a class: of a fifth of fewer, a test may hold none."""
TWO = 2


def build_class_target(column: RawColumn, positive: str, source_name: str) -> TargetFinding:
    """Build the finding of a target of classes; the rows of rare ones do not train.

    Raises:
        DraftError: Fewer than two classes have enough rows, or the column has too many different texts.
    """
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
