"""Rows that are refused by a value: they refuse their request, or are answered beside the others.

The rule of `on_error` is the same on every interface. A fault belongs to a row if the row would be refused
alone and the others would be scored without it: a value that its field does not take. Whatever concerns the
request refuses it in both cases: a body that cannot be read, a column or tensor that is no field or has
another type, columns of different lengths, a required field without a column, too many rows, or a model that
is not there.
"""

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar

from servicio_ml.domain.fields.identifier import Identifiers
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.errors import FieldError, InvalidError, RequestError, format_value
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving.models.truncation import truncate_value

T = TypeVar("T")
MAX_ROW_FAULTS = 3
"""Maximum number of faults that a refused row names: a batch may have as many refused rows as rows."""
MAX_ERROR_CHARACTERS = 1000
"""Maximum length of the error of a row: each names the allowed values, which may be thousands of levels."""


class OnError(StrEnum):
    """What a row with a refused value does to its request."""

    REFUSE = "refuse"
    PARTIAL = "partial"


def parse_on_error(value: object) -> OnError:
    """Parse the parameter `on_error` of a request.

    Raises:
        RequestError: The value is unknown.
    """
    try:
        return OnError(value)  # type: ignore[arg-type]  # an enumeration refuses any other value
    except ValueError:
        shown = format_value(truncate_value(value))
        raise RequestError(f"on_error {shown}", f"it takes {' or '.join(OnError)}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRefusals:
    """Rows of a request that are refused beside the others.

    Attributes:
        row_count: Number of rows of the request.
        faults: Faults of each refused row by its index, at least one, in the order of the fields.
    """

    row_count: int
    faults: Mapping[int, Sequence[FieldError]]

    @property
    def scored_rows(self) -> list[int]:
        """Indices of the other rows."""
        return [row for row in range(self.row_count) if row not in self.faults]

    @property
    def errors(self) -> list[str | None]:
        """Error of each row; None for a scored one."""
        faults = self.faults
        return [_describe_faults(faults[row]) if row in faults else None for row in range(self.row_count)]

    def fill(self, values: Iterable[T], filler: T) -> list[T]:
        """Fill the places of the scored rows with their values, and the others with a filler."""
        scored = iter(values)
        return [filler if row in self.faults else next(scored) for row in range(self.row_count)]


def _describe_faults(faults: Sequence[FieldError]) -> str:
    text = "; ".join(map(str, faults))
    return text if len(text) <= MAX_ERROR_CHARACTERS else f"{text[:MAX_ERROR_CHARACTERS]}…"


class RequestRows(NamedTuple):
    """Rows of a request; a tuple, since each request builds one.

    Attributes:
        matrix: Rows to score, `[n, features]`.
        refusals: The other rows; None where one of them refuses the request.
        identifiers: Identifiers of the rows to score.
    """

    matrix: Matrix
    refusals: RowRefusals | None = None
    identifiers: Identifiers = ()


class RowFaults:
    """Faults of the rows of one request.

    Args:
        model: Name of the model.
        schema: Schema of its records.
        on_error: What a fault does.
    """

    def __init__(self, model: str, schema: FeatureSchema, on_error: OnError) -> None:
        self.on_error = on_error
        self._model, self._by_row = model, dict[int, list[FieldError]]()
        self._places = {name: place for place, name in enumerate(schema.field_names)}

    def add(self, fault: FieldError) -> None:
        """Add a fault, unless another one of the same value is known.

        Raises:
            InvalidError: The fault refuses the request.
        """
        if self.on_error is OnError.REFUSE:
            raise InvalidError(self._model, [fault])
        faults = self._by_row.setdefault(fault.row, [])
        # a value that could not be read is a missing one for the checks that follow
        if all(known.field != fault.field for known in faults):
            insort(faults, fault, key=self._find_place)
            del faults[MAX_ROW_FAULTS:]

    def _find_place(self, fault: FieldError) -> int:
        return self._places.get(fault.field, len(self._places))

    def build_refusals(self, row_count: int) -> RowRefusals:
        """Build the refusals of the rows that have a fault."""
        return RowRefusals(row_count=row_count, faults=self._by_row)
