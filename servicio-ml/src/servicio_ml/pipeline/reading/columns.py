"""Plans for reading a raw file: each field with its raw column and its parsing in the file's dialect."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from servicio_ml.domain.fields.columns import merge_columns
from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.schema import Field, Kind, LearnedLevels, Parse
from servicio_ml.domain.use_case import Dialect, Target, UseCase
from servicio_ml.pipeline.reading.number_text import POINT


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """Plan for reading one field or the target.

    Attributes:
        field: Field with its kind and limits.
        raw_columns: Working names of its raw columns.
        parse: Parsing of its text in the file's dialect.
        missing_texts: Texts that stand for a missing value.
        decimal: Decimal mark of numbers, see `number_text`.
    """

    field: Field
    raw_columns: tuple[str, ...]
    parse: Parse
    missing_texts: tuple[str, ...]
    decimal: str = "."

    @property
    def raw_column(self) -> str:
        """Name of the column of its raw text: that of the only raw column, or of the joined texts."""
        return self.raw_columns[0] if len(self.raw_columns) == 1 else self.name_stage("joined")

    @property
    def missing_numbers(self) -> tuple[float, ...]:
        return tuple(float(number) for number in self.parse.missing_numbers)

    def name_stage(self, stage: str) -> str:
        """Name an intermediate column."""
        # no field starts with an underscore, so that no field clashes with a working column
        return f"_{stage}_{self.field.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlan:
    """Plan for reading a file.

    Attributes:
        raw_columns: Working name to the raw column's name.
        columns: The fields that the file holds, in the schema's order.
        decimal: Decimal mark of numbers, see `number_text`.
    """

    raw_columns: Mapping[str, str]
    columns: tuple[ColumnPlan, ...]
    decimal: str = POINT

    @property
    def all_columns(self) -> tuple[ColumnPlan, ...]:
        """Plans of the fields and, if it is read, of the target."""
        return self.columns


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledReadPlan(ReadPlan):
    """Plan for reading a raw file with its target, for training.

    Attributes:
        target: Plan of the target as it is in the file: a number or a label.
    """

    target: ColumnPlan

    @property
    def all_columns(self) -> tuple[ColumnPlan, ...]:
        return (*self.columns, self.target)


def plan_labelled_read(
    use_case: UseCase, sources: Mapping[str, tuple[str, ...]], dialect: Dialect, decimal: str = POINT
) -> LabelledReadPlan:
    """Plan the reading of a file with its target.

    Args:
        use_case: Use case of the rows.
        sources: Field (and target) name to its raw columns; fields without one are not read.
        dialect: Dialect of the file.
        decimal: Decimal mark where the dialect declares none.
    """
    fields = (*use_case.schema.fields, build_target_field(use_case.target))
    read = plan_read(fields, sources, dialect, use_case.missing, decimal)
    return LabelledReadPlan(
        raw_columns=read.raw_columns,
        columns=read.columns[:-1],
        decimal=read.decimal,
        target=read.columns[-1],
    )


def plan_read(
    fields: Sequence[Field],
    sources: Mapping[str, tuple[str, ...]],
    dialect: Dialect,
    missing_texts: Sequence[str],
    decimal: str = POINT,
) -> ReadPlan:
    """Plan the reading of fields.

    Args:
        fields: Fields that the file may hold.
        sources: Field name to its raw columns; fields without one are not read.
        dialect: Dialect of the file.
        missing_texts: Texts that stand for a missing value in every column.
        decimal: Decimal mark where the dialect declares none.
    """
    # two fields may share a raw column, which is then read once
    names = {column: f"_raw_{i}" for i, column in enumerate(merge_columns(sources.values()))}
    mark = dialect.decimal or decimal

    def plan_column(field: Field) -> ColumnPlan:
        parse = dialect.parse.get(field.name, field.parse)
        missing = tuple(dict.fromkeys(("", *missing_texts, *parse.missing)))
        return ColumnPlan(
            field=field,
            raw_columns=tuple(names[column] for column in sources[field.name]),
            parse=parse,
            missing_texts=missing,
            decimal=mark,
        )

    return ReadPlan(
        decimal=mark,
        raw_columns={name: raw for raw, name in names.items()},
        columns=tuple(plan_column(field) for field in fields if field.name in sources),
    )


def rename_clashing_columns(names: Sequence[str], own: Collection[str]) -> list[str]:
    """Rename the columns of a file that are called like columns of the platform beside them: `raw <name>`."""
    renamed, taken = list[str](), {*own, *names}
    for name in names:
        new = name
        while new in own or (new != name and new in taken):
            new = f"raw {new}"
        taken.add(new)
        renamed.append(new)
    return renamed


def build_identifier_field(column: str) -> Field:
    """Describe the identifier as a field of any text, to check the type of its column."""
    return Field(name=IDENTIFIER, kind=Kind.CATEGORY, column=column, learned_levels=LearnedLevels())


def build_target_field(target: Target) -> Field:
    """Describe the raw target as a field, so that it is read and checked like one."""
    bounds = [bound for bound in (target.minimum, target.maximum) if bound is not None]
    return Field(
        name=target.name,
        kind=Kind.NUMBER if target.numeric else Kind.CATEGORY,
        column=target.column,
        description=target.description,
        example=next(iter(bounds), 0.0) if target.numeric else target.labels[0],
        unit=target.unit,
        minimum=target.minimum if target.numeric else None,
        maximum=target.maximum if target.numeric else None,
        levels=() if target.numeric else target.labels,
        nullable=True,
        parse=target.parse,
    )
