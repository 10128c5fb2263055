"""Fields, derived columns and the `FeatureSchema` that turns records into one float32 matrix."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from math import ceil, floor
from typing import Any

from servicio_ml.domain.checks.attributes import (
    SNAKE_CASE,
    SNAKE_CASE_RULE,
    Caption,
    Count,
    Label,
    Unit,
    check_attributes,
)
from servicio_ml.domain.checks.derived import find_derived_problems
from servicio_ml.domain.checks.fields import find_field_problems
from servicio_ml.domain.defaults.attributes import build_example, fill_captions, fill_default, fill_levels
from servicio_ml.domain.derived import Derived, Lookup, build_derived_from_json, convert_derived_to_json
from servicio_ml.domain.fields.columns import Columns, list_columns
from servicio_ml.domain.fields.kind import Kind
from servicio_ml.domain.fields.parse import Parse
from servicio_ml.domain.fields.words import MAX_CHARACTERS, LearnedWords
from servicio_ml.domain.values import (
    FIRST_DAY,
    LAST_DAY,
    MAX_WHOLE_NUMBER,
    describe_bounds,
    get_number_limits,
)
from servicio_ml.errors import UseCaseError

__all__ = ["FeatureSchema", "Field", "Kind", "Parse"]


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
        column: Name in the raw file, the field's own name when not given; or the names of several columns,
            whose texts are joined by a blank; where one of them is missing, the value is missing.
        description: Label for forms and documents, one line; the column when not given.
        example: Plausible value (a date or date-time as ISO text); when not given, the first level, the
            middle of a number's range, 2020-01-01, its noon, or False.
        unit: Unit of a number; empty without one.
        minimum: Minimum of a number, inclusive.
        maximum: Maximum of a number, inclusive.
        levels: Allowed texts of a category, in the order of their codes; a boolean has `false` and `true`.
        words: Words of a text that models know, of the training rows of a period; not given in a use case.
        learned_words: Rule that selects them.
        learned_levels: Rule for a category of many texts: any text is allowed, and the levels are not given
            here but taken from the training rows.
        ordered: True when the levels of a category ascend: models read their position as a number.
        nullable: True when a value may be missing.
        optional: True when a raw file may lack the column; the model then has no such field.
        direct: False when models read only the columns derived from it. A trend over absolute dates, for
            example, does not extend beyond the training rows.
        zone: Time zone of a date-time, such as Europe/Madrid: a value with an offset is converted to it, and
            one without is in it. Empty for the time as written, whatever the offset.
        parse: Rules for the raw text.
    """

    name: str
    kind: Kind
    column: Columns = ""
    description: Caption = ""
    example: float | int | str | bool = ""
    unit: Unit = ""
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[Label, ...] = ()
    words: tuple[Label, ...] = ()
    learned_words: LearnedWords = field(default_factory=LearnedWords)
    learned_levels: LearnedLevels | None = None
    ordered: bool = False
    nullable: bool = False
    optional: bool = False
    direct: bool = True
    zone: str = ""
    parse: Parse = field(default_factory=Parse)

    def __post_init__(self) -> None:
        where = f"field {self.name!r}"
        fill_captions(self)
        fill_levels(self)
        check_attributes(self, where)
        if not SNAKE_CASE.fullmatch(self.name):
            raise UseCaseError(where, f"names are {SNAKE_CASE_RULE}")
        # after the types are checked: an example is made from levels and bounds
        fill_default(self, "example", build_example(self))
        if problem := next(find_field_problems(self), ""):
            raise UseCaseError(where, problem)

    @property
    def columns(self) -> tuple[str, ...]:
        """Raw columns that the field is read from."""
        return list_columns(self.column)

    @property
    def allowed(self) -> str:
        """Description of the allowed values for messages and documents."""
        text = {
            Kind.NUMBER: f"a number{self._bounds}",
            Kind.INTEGER: f"a whole number{self._bounds}",
            Kind.CATEGORY: "a text" if self.learned_levels else f"one of {', '.join(self.levels)}",
            Kind.DATE: f"a date as YYYY-MM-DD of the years {FIRST_DAY.year}–{LAST_DAY.year}",
            Kind.DATETIME: (
                f"a date and time as YYYY-MM-DDThh:mm:ss of the years {FIRST_DAY.year}–{LAST_DAY.year}"
                + f", in the time zone {self.zone}" * bool(self.zone)
            ),
            Kind.BOOLEAN: "true or false",
            Kind.TEXT: f"a text of at most {MAX_CHARACTERS} characters",
        }[self.kind]
        return text + (" or null" if self.nullable else "")

    @property
    def has_levels(self) -> bool:
        """Whether values are levels, which may be learned."""
        return self.kind in {Kind.CATEGORY, Kind.BOOLEAN}

    @property
    def is_dated(self) -> bool:
        """Whether values lie in time: dates and date-times."""
        return self.kind in {Kind.DATE, Kind.DATETIME}

    @property
    def choices(self) -> tuple[str | bool, ...]:
        """Values of a category or a boolean in the order of their codes, as records have them."""
        return (False, True) if self.kind is Kind.BOOLEAN else self.levels

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
    """Ordered columns of the float32 matrix: fields, seconds of date-times, words of texts, derived columns.

    The column of a date-time is its day, as that of a date, and the one of a text the number of its words.

    Raises:
        UseCaseError: A name is duplicated, or a derived column names an unknown field.
    """

    fields: tuple[Field, ...]
    derived: tuple[Derived, ...] = ()

    def __post_init__(self) -> None:
        check_attributes(self, "schema")
        names = self.names
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
    def owners(self) -> tuple[int, ...]:
        """Index of the field by column of the matrix, of those that hold the fields' values."""
        words = (i for i, each in enumerate(self.fields) for _ in each.words)
        return (*range(len(self.fields)), *self._timed, *words)

    @property
    def words(self) -> Mapping[int, slice]:
        """Columns of the words by index of a text."""
        found, start = {}, len(self.fields) + len(self._timed)
        for i, each in enumerate(self.fields):
            if each.kind is Kind.TEXT:
                found[i] = slice(start, start + len(each.words))
                start += len(each.words)
        return found

    @property
    def seconds(self) -> Mapping[int, int]:
        """Index of the column of seconds by index of a date-time."""
        return {field: len(self.fields) + i for i, field in enumerate(self._timed)}

    @property
    def _timed(self) -> tuple[int, ...]:
        return tuple(i for i, each in enumerate(self.fields) if each.kind is Kind.DATETIME)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the matrix, in order."""
        seconds = (f"{self.fields[i].name}_seconds" for i in self._timed)
        words = (f"{each.name}:{word}" for each in self.fields for word in each.words)
        return (*self.field_names, *seconds, *words, *(column.name for column in self.derived))

    @property
    def inputs(self) -> tuple[int, ...]:
        """Indices of the columns that models read."""
        # hidden columns stay in the matrix: derived columns are computed from them
        owners = self.owners
        hidden = {i for i, field in enumerate(owners) if not self.fields[field].direct}
        return tuple(i for i in range(len(self.names)) if i not in hidden)

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

    def set_levels(
        self, levels: Mapping[str, tuple[str, ...]], words: Mapping[str, tuple[str, ...]]
    ) -> "FeatureSchema":
        """Return the schema with the learned levels of some fields, and the words of others."""
        return replace(
            self,
            fields=tuple(
                replace(
                    each,
                    levels=levels.get(each.name, each.levels),
                    words=words.get(each.name, each.words),
                )
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


def _build_field_from_json(document: Mapping[str, Any]) -> Field:
    # JSON has lists only; the dataclasses are hashable and compare equal with tuples only
    parse = {**document["parse"]}
    parse["missing"] = tuple(parse["missing"])
    parse["missing_numbers"] = tuple(parse["missing_numbers"])
    # models of earlier releases have none
    learned, column = document.get("learned_levels"), document["column"]
    return Field(
        **{
            **document,
            "kind": Kind(document["kind"]),
            "column": column if isinstance(column, str) else tuple(column),
            "levels": tuple(document["levels"]),
            "learned_levels": LearnedLevels(**learned) if learned else None,
            "words": tuple(document.get("words", ())),
            "learned_words": LearnedWords(**document.get("learned_words", {})),
            "parse": Parse(**parse),
        }
    )
