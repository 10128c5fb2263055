"""Errors of input data, files and the lake."""

from collections.abc import Iterable
from difflib import get_close_matches

from servicio_ml.errors.base import ServicioError, format_names, format_value


class DataError(ServicioError):
    """The input data cannot be used."""


class SourceError(DataError):
    """A file or address cannot be read."""

    def __init__(self, source: object, problem: str) -> None:
        super().__init__(f"cannot read {source}: {problem}")


class ColumnsError(DataError):
    """The columns of a file are not those of the use case."""

    def __init__(self, source: object, missing: Iterable[str], found: Iterable[str]) -> None:
        lacking, header = sorted(missing), list(found)
        hints = [
            f"{name!r} may be called {close[0]!r} there"
            for name in lacking
            if (close := get_close_matches(name, header, n=1, cutoff=0.5))
        ]
        super().__init__(
            f"{source}: missing column {format_names(map(repr, lacking))}; found {format_names(header)}"
            + (f"; {'; '.join(hints)}" if hints else "")
            + "; rename the columns of the file or add a dialect to the use case"
        )


class ContractError(DataError):
    """Rows that would be published break the contract of the use case."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}; nothing was published")


class DraftError(DataError):
    """No use case can be drafted from a file."""

    def __init__(self, source: object, problem: str) -> None:
        super().__init__(f"{source}: {problem}; nothing was written")


class ModelImportError(DataError):
    """A model cannot be imported.

    Args:
        source: The model, or the file of rows.
        problem: What is wrong, and what to do.
    """

    def __init__(self, source: object, problem: str) -> None:
        super().__init__(f"{source}: {problem}; nothing was registered")


class EncodingError(DataError):
    """A value does not fit its field.

    Args:
        field: Name of the field.
        value: Rejected value.
        allowed: Description of the allowed values.
        row: Index of the row, from 0.
    """

    def __init__(self, field: str, value: object, allowed: str, row: int = 0) -> None:
        self.field, self.value, self.allowed, self.row = field, value, allowed, row
        super().__init__(f"field {field!r}: {format_value(value)} is not allowed; it takes {allowed}")


class OutputError(ServicioError):
    """A file cannot be written."""

    def __init__(self, target: object, problem: str) -> None:
        super().__init__(
            f"cannot write {target}: {problem}; nothing was written, choose another place or make room"
        )


class StoreError(ServicioError):
    """The lake cannot be read or written."""

    def __init__(self, store: str, key: str, problem: str) -> None:
        super().__init__(f"lake {store}, {key}: {problem}")


class NotPublishedError(StoreError):
    """Nothing has been published under a key."""

    def __init__(self, store: str, key: str, remedy: str) -> None:
        super().__init__(store, key, f"nothing is published there; {remedy}")
