"""Dialects of raw files: the one that a file is in is decided by the cells of its first line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servicio_ml.domain.fields.columns import list_columns, merge_columns
from servicio_ml.domain.schema import Field, Parse
from servicio_ml.domain.use_case import Dialect, Target, UseCase
from servicio_ml.errors import ColumnsError, SourceError, format_names

TYPED = "typed"
"""Dialect of a table that has the fields' own names and values."""
VALUE_PATTERN = re.compile(r"\s*([+-]?(\d+\.?\d*|\.\d+)|\d{4}-\d{2}-\d{2})\s*")
"""A number or a date: the cell of a row, not a column name."""
SHOWN_CELLS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectSpec:
    """The fields to look for in a file, and the dialects that may name their columns.

    Attributes:
        fields: Fields to look for.
        required: Names of the fields that the file must hold.
        dialects: Candidates in order of preference.
        target: Target whose column settles the choice where several dialects fit; None where it is unknown.
    """

    fields: Sequence[Field]
    required: frozenset[str]
    dialects: Sequence[Dialect]
    target: Target | None

    def map_columns(self, dialect: Dialect) -> dict[str, tuple[str, ...]]:
        """Map each field's name to its raw columns in a dialect."""
        return map_field_columns(dialect, self.fields)

    def map_parsing(self, dialect: Dialect) -> dict[str, tuple[tuple[str, ...], Parse]]:
        """Map each field's name to its raw columns and its parsing in a dialect."""
        columns = self.map_columns(dialect)
        return {
            each.name: (columns[each.name], dialect.parse.get(each.name, each.parse)) for each in self.fields
        }

    def find_missing(self, dialect: Dialect, header: Sequence[str]) -> set[str]:
        """Find the required columns that a file lacks; all if a headerless dialect has another width."""
        if dialect.header and len(dialect.header) != len(header):
            return set(dialect.header)
        columns = self.map_columns(dialect)
        needed = merge_columns(columns[name] for name in self.required)
        return {*needed} - set(dialect.header or header)

    def has_target(self, dialect: Dialect, header: Sequence[str]) -> bool:
        """Whether the file holds the target's column as the dialect names it."""
        if self.target is None or dialect.name == TYPED:
            return False
        columns = list_columns(dialect.columns.get(self.target.name, self.target.column))
        return {*columns} <= set(dialect.header or header)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectMatch:
    """The dialect of a file.

    Attributes:
        dialect: The dialect.
        column_names: Names of the file's columns, in order.
        columns: Field name to its raw columns, for the fields that the file holds.
        absent_fields: Fields that the file lacks.
    """

    dialect: Dialect
    column_names: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    absent_fields: tuple[str, ...]


def map_field_columns(dialect: Dialect, fields: Sequence[Field]) -> dict[str, tuple[str, ...]]:
    """Map each field's name to its raw columns in a dialect."""
    return {each.name: list_columns(dialect.columns.get(each.name, each.column)) for each in fields}


def map_columns(use_case: UseCase, dialect: Dialect) -> dict[str, tuple[str, ...]]:
    """Map each field's (and the target's) name to its raw columns in a dialect."""
    target = use_case.target
    columns = map_field_columns(dialect, use_case.schema.fields)
    return {**columns, target.name: list_columns(dialect.columns.get(target.name, target.column))}


def is_data_row(cells: Sequence[str], use_case: UseCase) -> bool:
    """Whether a first line is a row: a cell is a number, a date or a missing mark, and none is a column."""
    # a header may hold a column called like a date or a number, so known names decide first
    known = (merge_columns(map_columns(use_case, dialect).values()) for dialect in use_case.dialects)
    if {*merge_columns(known)}.intersection(cells):
        return False
    # an empty cell is no evidence: headers have unnamed columns
    marks = set(use_case.missing) - {""}
    return any(VALUE_PATTERN.fullmatch(cell) or cell.strip() in marks for cell in cells)


def match_dialect(
    spec: DialectSpec, header: Sequence[str], *, source_name: str, headless: bool, extra: Sequence[str] = ()
) -> DialectMatch:
    """Find the dialect in which a file with this first line is read.

    A dialect whose target column is in the file takes precedence over one that fits without it. Several
    dialects that fit without it and read the fields differently are ambiguous.

    Args:
        spec: Fields to look for, and the dialects.
        header: Cells of the first line, or the columns of a Parquet file.
        source_name: Name by which the user knows the file, for messages.
        headless: Whether the first line is a row.
        extra: Further columns of the file that are read.

    Raises:
        ColumnsError: Columns are missing.
        SourceError: The columns are ambiguous, or a first line that is a row has another number of values.
    """
    candidates = [each for each in spec.dialects if bool(each.header) == headless]
    if headless:
        _refuse_other_width(candidates, header, source_name)
    dialect = _choose_dialect(spec, candidates, header, source_name)
    names = tuple(dialect.header or header)
    if lacking := set(extra) - set(names):
        raise ColumnsError(source_name, lacking, names)
    mapped = spec.map_columns(dialect)
    columns = {name: columns for name, columns in mapped.items() if {*columns} <= {*names}}
    _refuse_duplicates({*merge_columns(columns.values()), *extra}, names, source_name)
    absent = tuple(each.name for each in spec.fields if each.name not in columns)
    return DialectMatch(dialect=dialect, column_names=names, columns=columns, absent_fields=absent)


def _refuse_other_width(dialects: Sequence[Dialect], cells: Sequence[str], source_name: str) -> None:
    """Refuse a file whose first line is a row, unless a dialect without a header has as many columns."""
    if any(len(each.header) == len(cells) for each in dialects):
        return
    needed = " or ".join(f"{len(each.header)} columns ({', '.join(each.header)})" for each in dialects)
    remedy = f"a file without names has {needed}; complete the rows, or write" if needed else "write"
    values = f"{len(cells)} values ({', '.join(cells[:SHOWN_CELLS])} …)"
    problem = (
        f"its first line is a row of {values} and no column names; {remedy} the names into the first line"
    )
    raise SourceError(source_name, problem)


def _refuse_duplicates(read: set[str], names: Sequence[str], source_name: str) -> None:
    # a repeated column that nobody reads does no harm
    if duplicates := sorted(column for column in read if names.count(column) > 1):
        problem = f"column {format_names(map(repr, duplicates))} is there twice; keep one of them"
        raise SourceError(source_name, problem)


def _choose_dialect(
    spec: DialectSpec, candidates: Sequence[Dialect], header: Sequence[str], source_name: str
) -> Dialect:
    fitting = [each for each in candidates if not spec.find_missing(each, header)]
    if not fitting:
        # with no dialect of that kind, the error names the columns of the closest one
        closest = min(candidates or spec.dialects, key=lambda each: len(spec.find_missing(each, header)))
        raise ColumnsError(source_name, spec.find_missing(closest, header), closest.header or header)
    # the target's column is the strongest evidence: its name differs most between publishers
    with_target = [each for each in fitting if spec.has_target(each, header)]
    if not with_target:
        _refuse_ambiguity(spec, fitting, source_name)
    return (with_target or fitting)[0]


def _refuse_ambiguity(spec: DialectSpec, fitting: Sequence[Dialect], source_name: str) -> None:
    # the typed table is no rival: where it fits a raw file, too, both have the fields' own names
    raw = [each for each in fitting if each.name != TYPED]
    if any(spec.map_parsing(each) != spec.map_parsing(raw[0]) for each in raw[1:]):
        names = format_names(repr(each.name) for each in raw)
        problem = f"its columns fit the dialects {names}, which read them differently; name one by --dialect"
        raise SourceError(source_name, problem)
