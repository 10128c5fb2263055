"""Numbers and whole numbers, with their range and the codes that mean missing."""

from dataclasses import dataclass, field

import polars as pl

from servicio_ml.domain.checks.exactness import has_exact_range
from servicio_ml.domain.schema import Kind, Parse
from servicio_ml.domain.values import MAX_WHOLE_NUMBER
from servicio_ml.pipeline.drafting.columns.category import build_code_category
from servicio_ml.pipeline.drafting.columns.ranges import find_range, round_example
from servicio_ml.pipeline.drafting.columns.raw_column import (
    MIN_READABLE,
    ColumnFinding,
    RawColumn,
    describe_rest,
    parse_numbers,
    quote,
)
from servicio_ml.pipeline.drafting.columns.sentinels import find_missing_numbers
from servicio_ml.pipeline.drafting.columns.statistics import find_bounds
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons

TWO = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberText:
    """How numbers stand in the texts of a column.

    Attributes:
        parse: Rules that take the number from a text.
        unit: Unit of the numbers.
        example: A text of the column, if there is more in it than the number.
    """

    parse: Parse = field(default_factory=Parse)
    unit: str = ""
    example: str = ""


def find_number(column: RawColumn) -> ColumnFinding | None:
    """Find that a column holds numbers; two different ones are the levels of a category."""
    values = parse_numbers(column.texts, column.decimal)
    if values.count() < MIN_READABLE * len(column.present):
        return None
    if values.drop_nulls().n_unique() <= TWO:
        return build_code_category(column, values)
    return build_number(column, values, NumberText())


def build_number(column: RawColumn, values: pl.Series, text: NumberText) -> ColumnFinding:
    """Build the finding of a column of numbers."""
    rest = describe_rest(column.texts, values)
    codes = find_missing_numbers(values.drop_nulls())
    kept = values.set(values.is_in([float(code) for code in codes]), None) if codes else values
    numbers = kept.drop_nulls()
    is_whole = bool((numbers == numbers.floor()).all()) and bool(
        (numbers.abs() <= MAX_WHOLE_NUMBER / TWO).all()
    )
    low, high = find_range(numbers, is_whole=is_whole)
    if not has_exact_range(low, high):
        reason = format_reason(
            "its numbers from {low} to {high} are too coarse in float32 (7 digits)",
            low=f"{low:.10g}", high=f"{high:.10g}",
        )  # fmt: skip
        return ColumnFinding(column=column.name, reason=reason)
    parse = Parse(pattern=text.parse.pattern, units=text.parse.units, missing_numbers=codes)
    described = column.build_field(
        Kind.INTEGER if is_whole else Kind.NUMBER,
        minimum=low, maximum=high, example=round_example(numbers, is_whole=is_whole), unit=text.unit,
        nullable=column.nullable or bool(codes), parse=parse,
    )  # fmt: skip
    return ColumnFinding(
        column=column.name,
        reason=join_reasons(
            _describe(numbers, text.example, is_whole=is_whole), _describe_codes(codes), rest
        ),
        field=described,
        values=kept,
    )


def _describe(numbers: pl.Series, example: str, *, is_whole: bool) -> str:
    low, high = (f"{bound:.10g}" for bound in find_bounds(numbers))
    if example:
        return format_reason(
            "numbers with text around them, such as {example}, {low} to {high} in the file",
            example=quote(example), low=low, high=high,
        )  # fmt: skip
    if is_whole:
        return format_reason("whole numbers, {low} to {high} in the file", low=low, high=high)
    return format_reason("numbers, {low} to {high} in the file", low=low, high=high)


def _describe_codes(codes: tuple[float, ...]) -> str:
    if not codes:
        return ""
    shown = ", ".join(f"{code:g}" for code in codes)
    return format_reason("{codes} stands apart and means missing", codes=shown)
