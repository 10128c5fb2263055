"""Fields, derived columns and the `FeatureSchema` that turns records into one float32 matrix."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from servicio_ml.domain.derived import Derived, Lookup, derived_from_json, derived_to_json
from servicio_ml.errors import UseCaseError

SNAKE_CASE = re.compile(r"[a-z][a-z0-9_]*")
NOT_COMMON = re.compile(r"\(\?<?[=!]|\\[1-9]")
"""What Python's and Java's regular expressions have and Rust's have not."""


class Kind(StrEnum):
    """What a field holds; all of them become one float32 column."""

    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"
    DATE = "date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parse:
    """How the text of a raw file becomes a field's value.

    Attributes:
        pattern: A regular expression (the common ground of Rust's and Java's) whose first group is the value;
            the whole text when empty. A text in which it is not found is rejected; an empty group is missing.
        units: Spelling of a unit (any case) to the factor that turns the number into the field's unit.
            The first of them found in the text counts; none found means the field's own unit.
        missing: Texts that mean missing, besides the use case's own.
        missing_numbers: Numbers, after conversion, that mean missing (a cloud cover of 9, an engine of 0 hp).
        recode: Raw text to the value's text, applied before everything else. Where it is given, a text that
            is not in it is left as it is.
    """

    pattern: str = ""
    units: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    missing_numbers: tuple[float, ...] = ()
    recode: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.pattern:
            return
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            problem = f"it is no regular expression ({error})"
            raise UseCaseError(f"pattern {self.pattern!r}", problem) from error
        if not groups or NOT_COMMON.search(self.pattern):
            problem = "its first group must be the value, without look-around and back-references"
            raise UseCaseError(f"pattern {self.pattern!r}", problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input of a model.

    Attributes:
        name: Snake case; the name in requests, the lake and the metrics.
        kind: What it holds.
        column: Its name in the raw file.
        description: One line for forms and documents.
        example: A plausible value (a date as ISO text).
        unit: Of a number, empty when it has none.
        minimum: Least allowed number, inclusive.
        maximum: Greatest allowed number, inclusive.
        levels: The allowed texts of a category, in the order of their codes.
        nullable: Whether a value may be missing.
        optional: Whether a raw file may lack the column; the field is then no part of the model.
        direct: Whether models read the column itself and not only what is derived from it. A trend learnt on
            an absolute date, for one, does not go on after the training rows.
        parse: How the raw text is read.
    """

    name: str
    kind: Kind
    column: str
    description: str
    example: float | int | str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[str, ...] = ()
    nullable: bool = False
    optional: bool = False
    direct: bool = True
    parse: Parse = field(default_factory=Parse)

    def __post_init__(self) -> None:
        if not SNAKE_CASE.fullmatch(self.name):
            raise UseCaseError(f"field {self.name!r}", "names are snake case: a-z, 0-9 and _")
        if (self.kind is Kind.CATEGORY) != bool(self.levels):
            raise UseCaseError(f"field {self.name!r}", "a category has levels, and nothing else has")
        if len(set(self.levels)) != len(self.levels):
            raise UseCaseError(f"field {self.name!r}", "a level is named twice")
        if self.levels and self.example not in self.levels:
            raise UseCaseError(
                f"field {self.name!r}", f"the example {self.example!r} is not one of its levels"
            )
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise UseCaseError(f"field {self.name!r}", f"minimum {self.minimum} > maximum {self.maximum}")

    @property
    def allowed(self) -> str:
        """What the field takes, in words, for messages and documents."""
        what = {
            Kind.NUMBER: f"a number{self._bounds}",
            Kind.INTEGER: f"a whole number{self._bounds}",
            Kind.CATEGORY: f"one of {', '.join(self.levels)}",
            Kind.DATE: "a date as YYYY-MM-DD",
        }[self.kind]
        return what + (" or null" if self.nullable else "")

    @property
    def _bounds(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        least = "" if self.minimum is None else f"{self.minimum:.10g}"
        greatest = "" if self.maximum is None else f"{self.maximum:.10g}"
        if least and greatest:
            return f" from {least} to {greatest}{unit}"
        if least:
            return f" of at least {least}{unit}"
        return f" of at most {greatest}{unit}" if greatest else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSchema:
    """The ordered columns of the float32 matrix: the fields, then the derived columns.

    Raises:
        UseCaseError: A name stands twice, or a derived column names a field that is not there.
    """

    fields: tuple[Field, ...]
    derived: tuple[Derived, ...] = ()

    def __post_init__(self) -> None:
        names = [*self.field_names, *(column.name for column in self.derived)]
        if twice := {name for name in names if names.count(name) > 1}:
            raise UseCaseError("schema", f"columns {', '.join(sorted(twice))} are named twice")
        known = set(self.field_names)
        for column in self.derived:
            if lacking := set(column.sources) - known:
                raise UseCaseError(
                    f"derived column {column.name!r}", f"no field {', '.join(sorted(lacking))}"
                )
            if isinstance(column, Lookup) and set(self.field(column.source).levels) != set(column.table):
                raise UseCaseError(
                    f"derived column {column.name!r}", "its table must hold every level, no other"
                )

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.fields)

    @property
    def names(self) -> tuple[str, ...]:
        """The matrix's column names in order."""
        return (*self.field_names, *(column.name for column in self.derived))

    @property
    def inputs(self) -> tuple[int, ...]:
        """Positions of the columns that models read."""
        hidden = {each.name for each in self.fields if not each.direct}
        return tuple(i for i, name in enumerate(self.names) if name not in hidden)

    def field(self, name: str) -> Field:
        for each in self.fields:
            if each.name == name:
                return each
        raise UseCaseError("schema", f"no field {name!r}; fields are {', '.join(self.field_names)}")

    def without(self, dropped: Iterable[str]) -> "FeatureSchema":
        """The schema without some fields and without what is derived from them."""
        gone = set(dropped)
        return FeatureSchema(
            fields=tuple(each for each in self.fields if each.name not in gone),
            derived=tuple(column for column in self.derived if not gone.intersection(column.sources)),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "fields": [asdict(each) for each in self.fields],
            "derived": [derived_to_json(column) for column in self.derived],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "FeatureSchema":
        """The schema of a document made by `to_json`, also after a trip through JSON text."""
        return cls(
            fields=tuple(_field_from_json(each) for each in document["fields"]),
            derived=tuple(derived_from_json(each) for each in document["derived"]),
        )

    def dumps(self) -> str:
        return json.dumps(self.to_json(), indent=1)


def _field_from_json(document: Mapping[str, Any]) -> Field:
    parse = {**document["parse"]}
    parse["missing"] = tuple(parse["missing"])
    parse["missing_numbers"] = tuple(parse["missing_numbers"])
    return Field(
        **{
            **document,
            "kind": Kind(document["kind"]),
            "levels": tuple(document["levels"]),
            "parse": Parse(**parse),
        }
    )
