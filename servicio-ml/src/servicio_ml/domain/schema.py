"""Fields, derived columns and the `FeatureSchema` that turns records into one float32 matrix."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from math import ceil, floor
from typing import Annotated, Any

from servicio_ml.domain.checks.attributes import (
    SNAKE_CASE,
    SNAKE_CASE_RULE,
    Caption,
    Count,
    Label,
    Limits,
    Line,
    Stripped,
    Unit,
    check_attributes,
)
from servicio_ml.domain.checks.derived import find_derived_problems
from servicio_ml.domain.checks.fields import find_field_problems
from servicio_ml.domain.defaults.attributes import build_example, fill_captions, fill_default
from servicio_ml.domain.derived import Derived, Lookup, build_derived_from_json, convert_derived_to_json
from servicio_ml.domain.values import (
    FIRST_DAY,
    LAST_DAY,
    MAX_WHOLE_NUMBER,
    describe_bounds,
    get_number_limits,
)
from servicio_ml.errors import UseCaseError

# polars compiles the pattern with Rust's engine, Python only checks it here
UNSUPPORTED_PATTERN = re.compile(r"\(\?(?:<?[=!]|>|\(|P)|\\[1-9Z]|[*+?}]\+")
"""Syntax of Python's regular expressions that Rust's or Java's lack."""
UnitFactor = Annotated[float, Limits(above=0)]


class Kind(StrEnum):
    """Type of a field; each becomes one float32 column."""

    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"
    DATE = "date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parse:
    """Rules that parse the text of a raw file into the value of a field.

    Attributes:
        pattern: Regular expression (common subset of Rust and Java) whose first group is the value; empty
            takes the full text. A text without a match is rejected, and one with a number, a bracket or a
            sign outside of the match; an empty group is missing.
        units: Factor to the field's unit by name of a unit (any case), beside the pattern of the number. The
            first one found in the text applies; a text without one is in the field's unit.
        missing: Texts that mean missing, in addition to those of the use case.
        missing_numbers: Numbers, after conversion, that mean missing (a cloud cover of 9, an engine of 0 hp).
        recode: Replacement by raw text, applied before everything else; other texts stay unchanged.
    """

    pattern: str = ""
    units: Mapping[Label, UnitFactor] = field(default_factory=dict)
    missing: tuple[Stripped, ...] = ()
    missing_numbers: tuple[float, ...] = ()
    recode: Mapping[Stripped, Stripped] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_attributes(self, "parse")
        factors = {unit.lower(): factor for unit, factor in self.units.items()}
        if clashing := [unit for unit, factor in self.units.items() if factors[unit.lower()] != factor]:
            problem = f"unit {clashing[0]!r} has two factors; units compare without regard to case"
            raise UseCaseError("parse", problem)
        if self.units and not self.pattern:
            problem = "units need a pattern whose first group is the number before the unit"
            raise UseCaseError("parse", f'{problem}; give one, such as pattern=r"([+-]?[\\d.,]+)"')
        if not self.pattern:
            return
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            problem = f"it is no regular expression ({error})"
            raise UseCaseError(f"pattern {self.pattern!r}", problem) from error
        if not groups or UNSUPPORTED_PATTERN.search(self.pattern):
            problem = (
                "its first group must be the value, without look-around and back-references, possessive and "
                "atomic groups"
            )
            raise UseCaseError(f"pattern {self.pattern!r}", problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedLevels:
    """Rule that selects the levels of a category from the training rows of each period.

    They are the most frequent texts, then `other` for all the rest: rare ones, and those that come later.

    Attributes:
        maximum: Maximum number of levels beside `other`.
        minimum_rows: Minimum number of training rows of each.
    """

    maximum: Count = 100
    minimum_rows: Count = 20

    def __post_init__(self) -> None:
        check_attributes(self, "learned levels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input of a model.

    Attributes:
        name: Name in requests, the lake and the metrics, in snake case.
        kind: Type of the values.
        column: Name in the raw file; the field's own name when not given.
        description: Label for forms and documents, one line; the column when not given.
        example: Plausible value (a date as ISO text); when not given, the first level, the middle of a
            number's range, or 2020-01-01.
        unit: Unit of a number; empty without one.
        minimum: Minimum of a number, inclusive.
        maximum: Maximum of a number, inclusive.
        levels: Allowed texts of a category, in the order of their codes.
        learned_levels: Rule for a category of many texts: any text is allowed, and the levels are not given
            here but taken from the training rows.
        nullable: True when a value may be missing.
        optional: True when a raw file may lack the column; the model then has no such field.
        direct: False when models read only the columns derived from it. A trend over absolute dates, for
            example, does not extend beyond the training rows.
        parse: Rules for the raw text.
    """

    name: str
    kind: Kind
    column: Line = ""
    description: Caption = ""
    example: float | int | str = ""
    unit: Unit = ""
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[Label, ...] = ()
    learned_levels: LearnedLevels | None = None
    nullable: bool = False
    optional: bool = False
    direct: bool = True
    parse: Parse = field(default_factory=Parse)

    def __post_init__(self) -> None:
        where = f"field {self.name!r}"
        fill_captions(self)
        check_attributes(self, where)
        if not SNAKE_CASE.fullmatch(self.name):
            raise UseCaseError(where, f"names are {SNAKE_CASE_RULE}")
        # after the types are checked: an example is made from levels and bounds
        fill_default(self, "example", build_example(self))
        if problem := next(find_field_problems(self), ""):
            raise UseCaseError(where, problem)

    @property
    def allowed(self) -> str:
        """Description of the allowed values for messages and documents."""
        text = {
            Kind.NUMBER: f"a number{self._bounds}",
            Kind.INTEGER: f"a whole number{self._bounds}",
            Kind.CATEGORY: "a text" if self.learned_levels else f"one of {', '.join(self.levels)}",
            Kind.DATE: f"a date as YYYY-MM-DD of the years {FIRST_DAY.year}–{LAST_DAY.year}",
        }[self.kind]
        return text + (" or null" if self.nullable else "")

    @property
    def limits(self) -> tuple[float, float]:
        """Minimum and maximum of a number, inclusive; integers for an integer field.

        They are those of the field, within what float32 can hold.
        """
        low, high = self.minimum, self.maximum
        if self.kind is not Kind.INTEGER:
            return get_number_limits(low, high)
        lowest = -MAX_WHOLE_NUMBER if low is None else max(ceil(low), -MAX_WHOLE_NUMBER)
        return lowest, MAX_WHOLE_NUMBER if high is None else min(floor(high), MAX_WHOLE_NUMBER)

    @property
    def _bounds(self) -> str:
        # an integer has both bounds, declared or not
        bounds = self.limits if self.kind is Kind.INTEGER else (self.minimum, self.maximum)
        return describe_bounds(*bounds, self.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSchema:
    """Ordered columns of the float32 matrix: the fields, then the derived columns.

    Raises:
        UseCaseError: A name is duplicated, or a derived column names an unknown field.
    """

    fields: tuple[Field, ...]
    derived: tuple[Derived, ...] = ()

    def __post_init__(self) -> None:
        check_attributes(self, "schema")
        names = [*self.field_names, *(column.name for column in self.derived)]
        # duplicates would overwrite each other in every mapping by name
        if twice := {name for name in names if names.count(name) > 1}:
            raise UseCaseError("schema", f"columns {', '.join(sorted(twice))} are named twice")
        for column in self.derived:
            if problem := next(find_derived_problems(column, self), ""):
                raise UseCaseError(f"derived column {column.name!r}", problem)

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.fields)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the matrix, in order."""
        return (*self.field_names, *(column.name for column in self.derived))

    @property
    def inputs(self) -> tuple[int, ...]:
        """Indices of the columns that models read."""
        # hidden columns stay in the matrix: derived columns are computed from them
        hidden = {each.name for each in self.fields if not each.direct}
        return tuple(i for i, name in enumerate(self.names) if name not in hidden)

    def get_field(self, name: str) -> Field:
        for each in self.fields:
            if each.name == name:
                return each
        raise UseCaseError("schema", f"no field {name!r}; fields are {', '.join(self.field_names)}")

    def drop_fields(self, dropped: Iterable[str]) -> "FeatureSchema":
        """Return the schema without some fields and without the columns derived from them."""
        # derived columns go too: one without its source could not be computed when serving
        gone = set(dropped)
        return FeatureSchema(
            fields=tuple(each for each in self.fields if each.name not in gone),
            derived=tuple(column for column in self.derived if not gone.intersection(column.sources)),
        )

    def set_levels(self, levels: Mapping[str, tuple[str, ...]]) -> "FeatureSchema":
        """Return the schema with the learned levels of some fields."""
        return replace(
            self,
            fields=tuple(
                replace(each, levels=levels[each.name]) if each.name in levels else each
                for each in self.fields
            ),
        )

    def set_tables(self, tables: Mapping[str, Lookup]) -> "FeatureSchema":
        """Return the schema with the tables of fitted columns in their places."""
        derived = tuple(tables.get(column.name, column) for column in self.derived)
        return replace(self, derived=derived)

    def to_json(self) -> dict[str, Any]:
        return {
            "fields": [asdict(each) for each in self.fields],
            "derived": [convert_derived_to_json(column) for column in self.derived],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "FeatureSchema":
        """Build a schema from a document of `to_json`, before or after conversion to JSON text."""
        return cls(
            fields=tuple(_build_field_from_json(each) for each in document["fields"]),
            derived=tuple(build_derived_from_json(each) for each in document["derived"]),
        )

    # indented, so that a diff of two model versions shows the changed fields
    def to_text(self) -> str:
        return json.dumps(self.to_json(), indent=1)


def _build_field_from_json(document: Mapping[str, Any]) -> Field:
    # JSON has lists only; the dataclasses are hashable and compare equal with tuples only
    parse = {**document["parse"]}
    parse["missing"] = tuple(parse["missing"])
    parse["missing_numbers"] = tuple(parse["missing_numbers"])
    # models of earlier releases have none
    learned = document.get("learned_levels")
    return Field(
        **{
            **document,
            "kind": Kind(document["kind"]),
            "levels": tuple(document["levels"]),
            "learned_levels": LearnedLevels(**learned) if learned else None,
            "parse": Parse(**parse),
        }
    )
