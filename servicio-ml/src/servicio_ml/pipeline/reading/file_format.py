"""Format of a file to be scored: a raw file in one of its use case's dialects, or a typed table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from servicio_ml.domain.fields.columns import merge_columns
from servicio_ml.domain.schema import FeatureSchema, Parse
from servicio_ml.domain.use_case import MISSING, Dialect, UseCase
from servicio_ml.errors import SourceError, format_names
from servicio_ml.features.requests.field_names import FieldNames
from servicio_ml.pipeline.reading.columns import ReadPlan, plan_read
from servicio_ml.pipeline.reading.dialects import (
    TYPED,
    DialectSpec,
    is_data_row,
    map_field_columns,
    match_dialect,
)
from servicio_ml.pipeline.reading.foreign_codes import refuse_foreign_codes
from servicio_ml.pipeline.reading.number_text import POINT

ORIGINAL = "original"
CodeCheck = Callable[[pl.LazyFrame], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """Format of a file to be scored.

    Attributes:
        dialect: Name of the dialect.
        column_names: Names of the file's columns, in order.
        headless: Whether the file's first line is a row.
        plan: Plan for reading the fields that the file holds.
        absent_fields: Optional fields that the file lacks; they are missing in every row.
        kept_columns: Working name to the column that is copied to the output.
        code_check: Check of rejected rows for codes of another dialect; None where the user has named the
            dialect, or there is no use case.
    """

    dialect: str
    column_names: tuple[str, ...]
    headless: bool
    plan: ReadPlan
    absent_fields: tuple[str, ...]
    kept_columns: Mapping[str, str]
    code_check: CodeCheck | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """Requirements for a file to be scored.

    Attributes:
        schema: Schema of the model.
        use_case: Use case whose raw files may be read; None where it is unknown here.
        keep_columns: Columns of the file to copy to the output, besides the identifier of the use case.
        dialect_name: Name of the only dialect to try; all of them when empty.
    """

    schema: FeatureSchema
    use_case: UseCase | None = None
    keep_columns: tuple[str, ...] = ()
    dialect_name: str = ""

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        """All dialects, the typed table last: where both fit, the values are read as in the raw file."""
        names = self.schema.field_names
        typed = Dialect(
            name=TYPED, columns={name: name for name in names}, parse=dict.fromkeys(names, Parse())
        )
        raw = self.use_case.dialects if self.use_case else (Dialect(name=ORIGINAL),)
        return (*raw, typed)


def detect_format(
    spec: InputSpec, header: Sequence[str], *, source_name: str, named: bool, decimal: str = POINT
) -> FileFormat:
    """Detect the format of a file from its first line.

    Args:
        spec: Requirements for the file.
        header: Cells of its first line, or its columns.
        source_name: Name by which the user knows the file, for messages.
        named: Whether its format names the columns, so that no line is a header.
        decimal: Decimal mark where the dialect declares none.

    Raises:
        ColumnsError: Columns are missing.
        SourceError: The columns are ambiguous, or there is no such dialect.
    """
    headless = spec.use_case is not None and not named and is_data_row(header, spec.use_case)
    if not headless:
        _refuse_name_clash(spec, header, source_name)
    kept = _list_kept_columns(spec, header, headless=headless)
    match = match_dialect(
        _create_dialect_spec(spec, source_name),
        header,
        source_name=source_name,
        headless=headless,
        extra=kept,
    )
    missing_texts = spec.use_case.missing if spec.use_case else MISSING
    plan = plan_read(spec.schema.fields, match.columns, match.dialect, missing_texts, decimal)
    return FileFormat(
        dialect=match.dialect.name,
        column_names=match.column_names,
        headless=headless,
        plan=plan,
        absent_fields=match.absent_fields,
        kept_columns={f"_keep_{i}": column for i, column in enumerate(kept)},
        code_check=_create_code_check(spec, plan, match.dialect, source_name),
    )


def _list_kept_columns(spec: InputSpec, header: Sequence[str], *, headless: bool) -> tuple[str, ...]:
    """List the columns to copy: those asked for, and the identifier of the use case where the file has it."""
    identifier = spec.use_case.identifier if spec.use_case else ""
    # the header of a dialect without a header line has it
    found = (identifier,) if identifier and (headless or identifier in header) else ()
    return merge_columns([spec.keep_columns, found])


def _refuse_name_clash(spec: InputSpec, header: Sequence[str], source_name: str) -> None:
    """Refuse a file that names a field twice, or some as the schema and others as a raw file."""
    # a named dialect says which of the names are meant
    if spec.dialect_name:
        return
    fields = spec.schema.fields
    names = [FieldNames(map_field_columns(each, fields)) for each in spec.dialects if each.name != TYPED]
    faults = [each.find_fault(header) for each in names]
    # names that go together in one dialect are a file in that one
    if faults[0] and all(faults):
        problem = f"it has {faults[0].value}; it takes {faults[0].allowed}"
        raise SourceError(source_name, f"{problem}: remove or rename the others, or name the --dialect")


def _create_code_check(
    spec: InputSpec, plan: ReadPlan, dialect: Dialect, source_name: str
) -> CodeCheck | None:
    use_case = spec.use_case
    # a named dialect is the user's choice: codes that it does not know are rejected row by row
    if use_case is None or spec.dialect_name or dialect.name == TYPED:
        return None
    return lambda rejected: refuse_foreign_codes(rejected, plan, use_case, dialect, source_name)


def _create_dialect_spec(spec: InputSpec, source_name: str) -> DialectSpec:
    dialects = [each for each in spec.dialects if spec.dialect_name in {"", each.name}]
    if not dialects:
        known = format_names(each.name for each in spec.dialects)
        raise SourceError(source_name, f"there is no dialect {spec.dialect_name!r}; dialects are {known}")
    return DialectSpec(
        fields=spec.schema.fields,
        required=frozenset(each.name for each in spec.schema.fields if not (each.optional and each.nullable)),
        dialects=dialects,
        target=spec.use_case.target if spec.use_case else None,
    )
