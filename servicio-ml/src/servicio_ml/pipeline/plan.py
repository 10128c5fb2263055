"""How a raw file is read: each field with its raw column and its parsing in the dialect at hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servicio_ml.domain.schema import Field, Kind, Parse
from servicio_ml.domain.use_case import Target, UseCase


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How one field (or the target) is read.

    Attributes:
        field: What it must be.
        raw: Working name of its raw column.
        parse: How its text is read in the dialect at hand.
        missing: Texts that mean missing.
    """

    field: Field
    raw: str
    parse: Parse
    missing: tuple[str, ...]

    @property
    def missing_numbers(self) -> tuple[float, ...]:
        return tuple(float(number) for number in self.parse.missing_numbers)

    def working(self, stage: str) -> str:
        """Name of an intermediate column; no field starts with an underscore."""
        return f"_{stage}_{self.field.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is read from a file.

    Attributes:
        raw: Working name to raw column.
        columns: The fields that the file holds, in the schema's order.
    """

    raw: Mapping[str, str]
    columns: tuple[Column, ...]

    @property
    def every(self) -> tuple[Column, ...]:
        """All that is read."""
        return self.columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Reading):
    """What is read from a raw file that shall teach.

    Attributes:
        target: The target as it stands in the file: a number or a label.
    """

    target: Column

    @property
    def every(self) -> tuple[Column, ...]:
        return (*self.columns, self.target)


def plan(use_case: UseCase, sources: Mapping[str, str], parses: Mapping[str, Parse]) -> Plan:
    """How a file is read.

    Args:
        use_case: Whose rows they are.
        sources: Field (and target) name to its raw column; a field that is not there is not read.
        parses: Field (or target) name to its parsing, where the dialect has its own.
    """
    fields = (*use_case.schema.fields, target_field(use_case.target))
    read = reading(fields, sources, parses, use_case.missing)
    return Plan(raw=read.raw, columns=read.columns[:-1], target=read.columns[-1])


def reading(
    fields: Sequence[Field],
    sources: Mapping[str, str],
    parses: Mapping[str, Parse],
    marks: Sequence[str],
) -> Reading:
    """How fields are read.

    Args:
        fields: That may be in the file.
        sources: As `plan`.
        parses: As `plan`.
        marks: Texts that mean missing in every column.
    """
    names = {column: f"_raw_{i}" for i, column in enumerate(dict.fromkeys(sources.values()))}

    def column(field: Field) -> Column:
        parse = parses.get(field.name, field.parse)
        missing = tuple(dict.fromkeys(("", *marks, *parse.missing)))
        return Column(field=field, raw=names[sources[field.name]], parse=parse, missing=missing)

    return Reading(
        raw={name: raw for raw, name in names.items()},
        columns=tuple(column(field) for field in fields if field.name in sources),
    )


def target_field(target: Target) -> Field:
    """The raw target as a field, so that it is read and checked like one."""
    return Field(
        name=target.name,
        kind=Kind.NUMBER if target.numeric else Kind.CATEGORY,
        column=target.column,
        description=target.description,
        example=0.0 if target.numeric else target.labels[0],
        unit=target.unit,
        minimum=target.minimum,
        maximum=target.maximum,
        levels=() if target.numeric else target.labels,
        nullable=True,
        parse=target.parse,
    )
