"""The two names of a field in a request or a file: its own, and the one of its raw column."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.errors import FieldError


class FieldNames:
    """Names of the fields of a record: all of them their own, or all of them those of their raw columns.

    A field whose column is called like a field, or is read by several fields, and one that is read from
    several columns have their own name only, which goes with both.

    Args:
        columns: Raw columns by name of a field.

    Attributes:
        by_column: Name of a field by its raw column, where that is another name.
        by_part: Name of a field by each of the raw columns that are joined to it.
    """

    def __init__(self, columns: Mapping[str, tuple[str, ...]]) -> None:
        readers = Counter(column for each in columns.values() for column in each)
        self.by_part: Mapping[str, str] = dict(_list_parts(columns))
        ambiguous = {*self.by_part, *columns, *(column for column in readers if readers[column] > 1)}
        self.by_column: Mapping[str, str] = {
            each[0]: name for name, each in columns.items() if each[0] not in ambiguous
        }
        self._columns = {name: column for column, name in self.by_column.items()}

    def has_raw(self, names: Iterable[str]) -> bool:
        """Whether one of the names is that of a raw column."""
        return not self.by_column.keys().isdisjoint(names)

    def rename(self, name: str) -> str:
        """Return the name of the field that a name means; an unknown name stays."""
        return self.by_column.get(name, name)

    def find_column(self, name: str) -> str:
        """Find the raw column of a field; its own name where that is the only one."""
        return self._columns.get(name, name)

    def find_fault(self, names: Iterable[str], row: int = 0) -> FieldError | None:
        """Find a field that a record names twice, or else one that it names in another way than others."""
        given = dict.fromkeys(names)
        raw = [self.by_column[name] for name in given if name in self.by_column]
        own = [name for name in given if name in self._columns]
        if not raw or not own:
            return None
        name = next((each for each in raw if each in given), raw[0])
        column, other = self._columns[name], own[0]
        if name in given:
            value, allowed = f"a value as {name!r} and one as {column!r}", "one value, by either name"
        else:
            value = f"the raw name {column!r} beside the field name {other!r}"
            allowed = f"{name!r} and {other!r}, or {column!r} and {self._columns[other]!r}"
        return FieldError(row=row, field=name, value=value, allowed=allowed, reason="type")


def build_request_names(schema: FeatureSchema, identifier: str) -> FieldNames:
    """Build the names of a record's fields, and of the row's identifier beside them.

    Args:
        schema: Fields.
        identifier: Raw column of the identifier; empty without one.
    """
    columns = {each.name: each.columns for each in schema.fields}
    if identifier:
        # a field that is read from the column, too, keeps its name
        is_shared = any(identifier in each for each in columns.values())
        columns[IDENTIFIER] = (IDENTIFIER,) if is_shared else (identifier,)
    return FieldNames(columns)


def _list_parts(columns: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for name, each in columns.items():
        if len(each) > 1:
            yield from ((column, name) for column in each)
