"""Checks of staged rows before anything is published: the share of the quarantine, and every class."""

from collections.abc import Mapping

import polars as pl

from servicio_ml.domain.fields.identifier import MAX_IDENTIFIER_CHARACTERS
from servicio_ml.domain.use_case import Target, UseCase
from servicio_ml.errors import ContractError, format_names
from servicio_ml.pipeline.etl.split import TEST
from servicio_ml.pipeline.etl.staging import StagedRows
from servicio_ml.pipeline.reading.text import LINE
from servicio_ml.pipeline.reading.transform import ROW_IDENTIFIER, VALUE, RowStatus
from servicio_ml.pipeline.row_checks.required_rows import describe_shortage, describe_too_few_rows

MAX_SHOWN_VALUES = 6
ROWS = "_rows"


def check_quarantine(staged: StagedRows, source_name: str, use_case: UseCase) -> None:
    """Check that the quarantine holds no larger share of the labelled rows than the use case allows.

    Raises:
        ContractError: The quarantine is larger.
    """
    rejected = staged.status_counts[RowStatus.QUARANTINED]
    labelled = rejected + staged.status_counts[RowStatus.KEPT]
    if rejected > use_case.max_quarantined_share * labelled:
        problem = (
            f"{rejected} of {labelled} labelled rows are rejected,"
            f" more than {use_case.max_quarantined_share:.0%} (max_quarantined_share of the use case)"
        )
        raise ContractError(source_name, f"{problem}, mostly because {staged.summarize_reasons()}")


def check_identifiers(staged: StagedRows, source_name: str, use_case: UseCase) -> None:
    """Check that identifiers are short; whether they repeat or are missing is of no importance.

    Raises:
        ContractError: One is too long.
    """
    if not use_case.identifier:
        return
    text = pl.col(ROW_IDENTIFIER)
    long = staged.rows.filter(text.str.len_chars() > MAX_IDENTIFIER_CHARACTERS).select(LINE, text)
    for line, value in long.sort(LINE).head(1).collect(engine="streaming").rows():
        raise ContractError(
            source_name,
            f"the identifier {use_case.identifier!r} has {len(value)} characters in line {line}, and at most"
            f" {MAX_IDENTIFIER_CHARACTERS} are allowed; name another column in the use case",
        )


def check_classes(staged: StagedRows, source_name: str, use_case: UseCase) -> None:
    """Check that there are enough usable rows, and that every class of the target occurs among them.

    Raises:
        ContractError: Rows are too few, or a class is missing; then the message names the target's values.
    """
    if problem := describe_too_few_rows(use_case, staged.status_counts[RowStatus.KEPT]):
        raise ContractError(source_name, f"too few rows: {problem}")
    target = use_case.target
    counts = _count_labels(staged.kept, target)
    if missing := [label for label in target.labels if not counts.get(label)]:
        raise ContractError(
            source_name,
            f"no usable row has the class {' or '.join(map(repr, missing))} of {target.column!r}"
            f" ({_describe_labels(target)}); its values are {_describe_values(staged, target)}:"
            " check how the column is coded, or add rows of the class",
        )


def check_split(rows: pl.LazyFrame, source_name: str, use_case: UseCase) -> None:
    """Check that both sides have enough rows, of each class in a classification.

    Args:
        rows: Usable rows with the column `TEST`.
        source_name: Name by which the user knows the file.
        use_case: Use case of the rows.

    Raises:
        ContractError: A class, or the file, has too few rows to train on or to test with.
    """
    sides = (_count_labels(rows.filter(side), use_case.target) for side in (~pl.col(TEST), pl.col(TEST)))
    if problem := describe_shortage(use_case, *sides):
        raise ContractError(source_name, f"too few rows: {problem}")


def _count_labels(rows: pl.LazyFrame, target: Target) -> Mapping[str, int]:
    """Count the rows of each label; in a regression, all of them under an empty text."""
    if not target.labels:
        return {"": int(rows.select(pl.len()).collect(engine="streaming").item())}
    return dict(rows.group_by(target.name).len().collect(engine="streaming").iter_rows())


def _describe_labels(target: Target) -> str:
    if not target.edges:
        return f"its classes are {format_names(target.labels)}"
    edges = [f"{edge:g}" for edge in target.edges]
    uppers = [f"{label!r} < {edge}" for label, edge in zip(target.labels, edges, strict=False)]
    return f"{' ≤ '.join(uppers)} ≤ {target.labels[-1]!r}"


def _describe_values(staged: StagedRows, target: Target) -> str:
    """Describe the most frequent values of the target among the usable rows, with their numbers of rows."""
    column = VALUE if target.edges else target.name
    groups = staged.kept.group_by(column).agg(pl.len().alias(ROWS))
    counts = groups.sort(ROWS, column, descending=[True, False]).collect(engine="streaming")
    shown = [
        f"{_format_value(value)} ({rows} rows)" for value, rows in counts.head(MAX_SHOWN_VALUES).iter_rows()
    ]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _format_value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
