"""Corrections of a draft by the user: what a column is, its range and its levels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.errors import DraftError, format_names
from servicio_ml.pipeline.drafting.columns.category import find_boolean, find_category
from servicio_ml.pipeline.drafting.columns.date import find_date, find_datetime
from servicio_ml.pipeline.drafting.columns.number import NumberText, build_number
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding, RawColumn, parse_numbers
from servicio_ml.pipeline.drafting.columns.text import find_text
from servicio_ml.pipeline.drafting.dates.unix_time import read_unix_time
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons

LEFT_OUT = "left out"
"""Kind of a column that is no field."""
REASON = format_reason("as you corrected it")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCorrection:
    """Correction of one column; what is empty or None stays as it was inferred.

    Attributes:
        kind: Kind of its field, or `LEFT_OUT`.
        minimum: Minimum of a number, inclusive.
        maximum: Maximum of a number, inclusive.
        levels: Levels of a category, in the order of their codes.
    """

    kind: str = ""
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[str, ...] = ()


def parse_correction(column: str, document: object) -> ColumnCorrection:
    """Parse the correction of a column.

    Raises:
        ValueError: The document has another attribute, or a value of another type.
    """
    attributes = _check_names(column, document)
    kind = attributes.get("kind", "")
    if kind not in {"", LEFT_OUT, *FINDERS}:
        raise ValueError(f"the kind of {column!r} is {kind!r}; it takes {format_names([LEFT_OUT, *FINDERS])}")
    for name in ("minimum", "maximum"):
        _check_bound(column, name, attributes.get(name))
    return ColumnCorrection(**{**attributes, "levels": _parse_levels(column, attributes.get("levels", []))})


def _check_names(column: str, document: object) -> Mapping[str, Any]:
    names = [each.name for each in fields(ColumnCorrection)]
    attributes = document if isinstance(document, Mapping) else {str(document): None}
    if unknown := [name for name in attributes if name not in names]:
        raise ValueError(f"column {column!r} has {unknown[0]!r}; it takes {format_names(names)}")
    return attributes


def _parse_levels(column: str, levels: object) -> tuple[str, ...]:
    if not isinstance(levels, list) or not all(isinstance(each, str) and each for each in levels):
        raise ValueError(f"the levels of {column!r} are {levels!r}; they take a list of texts")
    return tuple(levels)


def _check_bound(column: str, name: str, bound: object) -> None:
    if bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, float))):
        raise ValueError(f"the {name} of {column!r} is {bound!r}; it takes a number")


def apply_correction(
    column: RawColumn, finding: ColumnFinding, correction: ColumnCorrection, source_name: str
) -> ColumnFinding:
    """Correct what was found of a column.

    Raises:
        DraftError: The column cannot be what the correction says.
    """
    found = _change_kind(column, finding, correction.kind, source_name)
    if found.field is None:
        _refuse_range_and_levels(column, correction, source_name)
        return found
    changed = _change_field(found.field, correction, source_name)
    if changed == found.field:
        return found
    values = found.values
    if values is not None and changed.levels != found.field.levels:
        # those of learned levels have no rare text any more
        values = column.texts if found.field.learned_levels else values
        values = values.set(~values.is_in([*changed.levels]).fill_null(value=False), None)
    return replace(found, field=changed, values=values, reason=join_reasons(found.reason, REASON))


def _change_kind(column: RawColumn, finding: ColumnFinding, kind: str, source_name: str) -> ColumnFinding:
    if kind == LEFT_OUT and finding.field:
        return finding.leave_out(REASON)
    if kind in {"", LEFT_OUT} or (finding.field and finding.field.kind == kind):
        return finding
    found = FINDERS[kind](column)
    if found is None or found.field is None:
        reason = found.reason if found else "its texts are none"
        raise DraftError(source_name, f"the column {column.name!r} cannot be of the kind {kind}: {reason}")
    return replace(found, reason=join_reasons(found.reason, REASON))


def _refuse_range_and_levels(column: RawColumn, correction: ColumnCorrection, source_name: str) -> None:
    for what, is_given in (
        ("range", (correction.minimum, correction.maximum) != (None, None)),
        ("levels", bool(correction.levels)),
    ):
        if is_given:
            problem = f"the column {column.name!r} is left out and has no {what}; correct its kind"
            raise DraftError(source_name, problem)


def _change_field(field: Field, correction: ColumnCorrection, source_name: str) -> Field:
    bounds: dict[str, Any] = {
        name: value
        for name, value in (("minimum", correction.minimum), ("maximum", correction.maximum))
        if value is not None and value != getattr(field, name)
    }
    levels = _change_levels(field, correction.levels)
    if not bounds | levels:
        return field
    is_category = field.kind is Kind.CATEGORY
    if (bounds and is_category) or (levels and not is_category):
        what = "range" if is_category else "levels"
        problem = f"the column {field.column!r} is of the kind {field.kind} and has no {what}"
        raise DraftError(source_name, f"{problem}; correct its kind")
    # an example of the file may lie outside of the corrected range, or be no level any more
    return replace(field, **bounds, **levels, example="")


def _change_levels(field: Field, levels: tuple[str, ...]) -> dict[str, Any]:
    """Build what changes in a field with other levels, which are not learned any more."""
    if not levels or levels == field.levels:
        return {}
    recode = {text: level for text, level in field.parse.recode.items() if level in levels}
    return {"levels": levels, "learned_levels": None, "parse": replace(field.parse, recode=recode)}


def _find_number(column: RawColumn) -> ColumnFinding | None:
    found = _build_number(column)
    if found is None or found.field is None or found.field.kind is Kind.NUMBER:
        return found
    return replace(found, field=replace(found.field, kind=Kind.NUMBER))


def _find_integer(column: RawColumn) -> ColumnFinding | None:
    found = _build_number(column)
    if found and found.field and found.values is not None and found.field.kind is not Kind.INTEGER:
        fraction = found.values.filter(found.values != found.values.floor())[0]
        return found.leave_out(f"it has values such as {fraction:g}")
    return found


def _build_number(column: RawColumn) -> ColumnFinding | None:
    values = parse_numbers(column.texts, column.decimal)
    return build_number(column, values, NumberText()) if values.count() else None


FINDERS: Mapping[str, Callable[[RawColumn], ColumnFinding | None]] = {
    Kind.NUMBER: _find_number,
    Kind.INTEGER: _find_integer,
    Kind.CATEGORY: find_category,
    Kind.DATE: lambda column: find_date(column) or read_unix_time(column, Kind.DATE),
    Kind.DATETIME: lambda column: find_datetime(column) or read_unix_time(column, Kind.DATETIME),
    Kind.BOOLEAN: find_boolean,
    Kind.TEXT: find_text,
}
"""Function that reads a column as a kind, by kind."""
