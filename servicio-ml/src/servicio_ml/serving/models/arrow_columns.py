"""Columns of an Arrow table before their values are read: names, types, valid bytes, and plain layouts.

Arrow reads a table without a look at the bytes of its buffers; texts that are no UTF-8 and indices beyond
their dictionary are found here, before another library follows them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from servicio_ml.domain.fields.identifier import ALLOWED_IDENTIFIER, IDENTIFIER
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.errors import FieldError
from servicio_ml.features.requests.field_names import FieldNames
from servicio_ml.serving.models.truncation import truncate_value

MAX_TEXT_BYTES = 1 << 10
"""Maximum size of a text: in a dictionary or a view one long text could stand for every row."""
VIEW_WORDS = 4
"""Size of a view in words of 32 bits."""
NUMERIC_KINDS = (Kind.NUMBER, Kind.INTEGER)
COLUMN_TYPES = {
    Kind.NUMBER: "integers, floats or decimals",
    Kind.INTEGER: "integers, floats or decimals",
    Kind.CATEGORY: "text, numbers or booleans",
    Kind.DATE: "dates, timestamps or text",
    Kind.DATETIME: "dates, timestamps or text",
    Kind.BOOLEAN: "booleans or text",
    Kind.TEXT: "text",
}
"""Types of a column by the kind of its field, for messages."""


def rename_columns(table: Any, names: FieldNames) -> tuple[Any, list[FieldError]]:
    """Rename the raw columns of an Arrow table as their fields, or return a fault of the names."""
    given = [name for name in _read_names(table.schema)[0] if name is not None]
    if not names.has_raw(given):
        return table, []
    if fault := names.find_fault(given):
        return table, [fault]
    # a name that is not UTF-8 is a fault of its column, and cannot be given back to Arrow
    renames = len(given) == table.num_columns
    return (table.rename_columns([*map(names.rename, given)]) if renames else table), []


def find_column_faults(table: Any, schema: FeatureSchema, *, named: bool = False) -> list[FieldError]:
    """Find the columns of an Arrow table that are no fields, stand twice or have values of another type.

    Args:
        table: Arrow table.
        schema: Fields.
        named: Whether rows may have an identifier.
    """
    names, faults = _read_names(table.schema)
    faults += _find_name_faults(names, [*schema.field_names, *[IDENTIFIER] * named])
    # a name decides what its column must hold, so the columns are looked at when all names are right
    if faults:
        return faults
    fields = {each.name: each for each in schema.fields}
    return [
        fault
        for name, column in zip(names, table.columns, strict=True)
        if name is not None
        for fault in _check_column(column, name, fields.get(name))
    ]


def unpack_columns(table: Any, schema: FeatureSchema) -> Any:
    """Convert the columns of a checked table to plain layouts: no dictionaries, runs or views."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    names, fields = table.column_names, {each.name: each for each in schema.fields}
    columns = [
        _convert_numbers(_unpack_column(column), fields[name].kind)
        if name in fields
        else _unpack_column(column)
        for name, column in zip(names, table.columns, strict=True)
    ]
    return pa.table(columns, names=names)


def _read_names(schema: Any) -> tuple[list[str | None], list[FieldError]]:
    names: list[str | None] = []
    faults = []
    for position in range(len(schema)):
        try:
            names.append(schema.field(position).name)
        except UnicodeDecodeError as error:
            names.append(None)
            allowed = "a name in UTF-8; rename the column"
            value = f"a name with byte 0x{error.object[error.start]:02x} at position {error.start}"
            faults.append(_build_fault(f"column {position + 1}", value, allowed, "unknown_field"))
    return names, faults


def _find_name_faults(names: Sequence[str | None], known: Sequence[str]) -> Iterator[FieldError]:
    given = [name for name in names if name is not None]
    for name in dict.fromkeys(given):
        if name not in known:
            allowed = f"no such field; fields are {', '.join(known)}"
            yield _build_fault(name, "a column", allowed, "unknown_field")
        elif (number := given.count(name)) > 1:
            yield _build_fault(name, f"{number} columns", "one column of that name", "type")


def _check_column(column: Any, name: str, each: Field | None) -> Iterator[FieldError]:
    """Check a column of a field, or that of the identifier."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    if each:
        allowed = f"{each.allowed}, in a column of {COLUMN_TYPES[each.kind]}"
        is_readable = _is_readable(column.type, each)
    else:
        allowed = f"{ALLOWED_IDENTIFIER}, in a column of text or integers"
        is_readable = _is_identifying(column.type)
    if not is_readable:
        yield _build_fault(name, f"a column of {_describe_type(column.type)}", allowed, "type")
        return
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        problem = truncate_value(str(error).splitlines()[0])
        yield _build_fault(name, f"a column with invalid bytes ({problem})", allowed, "type")
        return
    if any(_has_long_text(chunk) for chunk in column.chunks):
        yield _build_fault(name, f"a text of more than {MAX_TEXT_BYTES} bytes", allowed, "type")


def _is_readable(kind: Any, each: Field) -> bool:
    """Whether a field can be read from a column of an Arrow type."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    plain, types, field_kind = _get_value_type(kind), pa.types, each.kind
    if types.is_null(plain):
        return True
    if _is_number(plain):
        return field_kind in {*NUMERIC_KINDS, Kind.CATEGORY}
    if types.is_boolean(plain):
        # the levels of a category may be true and false
        return field_kind in {Kind.CATEGORY, Kind.BOOLEAN}
    if _is_text(plain):
        return field_kind not in NUMERIC_KINDS
    is_date = types.is_date(plain) or types.is_timestamp(plain)
    return is_date and each.is_dated and _is_known_zone(plain)


def _is_identifying(kind: Any) -> bool:
    """Whether an identifier can be read from a column of an Arrow type."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    plain = _get_value_type(kind)
    return bool(_is_text(plain) or pa.types.is_integer(plain) or pa.types.is_null(plain))


def _is_text(kind: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415  heavy

    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_number(kind: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415  heavy

    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _get_value_type(kind: Any) -> Any:
    """Return the type of the values in dictionaries and runs."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    while pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        kind = kind.value_type
    return kind


def _is_known_zone(kind: Any) -> bool:
    """Whether the time zone of a type is known; a type without one has a known zone."""
    import pyarrow as pa  # noqa: PLC0415  heavy
    import pyarrow.compute as pc  # noqa: PLC0415  heavy

    try:
        if pa.types.is_timestamp(kind):
            pc.local_timestamp(pa.array([0], kind))
    # a name that is not UTF-8 cannot be read at all
    except (pa.ArrowException, UnicodeDecodeError):
        return False
    return True


def _describe_type(kind: Any) -> object:
    try:
        return truncate_value(str(kind))
    except UnicodeDecodeError:
        return "a type whose description is not UTF-8"


def _has_long_text(chunk: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415  heavy
    import pyarrow.compute as pc  # noqa: PLC0415  heavy

    # the distinct values: repeated, they could take far more memory than the body
    while isinstance(chunk, (pa.DictionaryArray, pa.RunEndEncodedArray)):
        chunk = chunk.dictionary if isinstance(chunk, pa.DictionaryArray) else chunk.values
    if pa.types.is_string_view(chunk.type):
        return _has_long_view(chunk)
    if not (pa.types.is_string(chunk.type) or pa.types.is_large_string(chunk.type)):
        return False
    longest = pc.max(pc.binary_length(chunk)).as_py()
    return longest is not None and bool(longest > MAX_TEXT_BYTES)


def _has_long_view(chunk: Any) -> bool:
    # Arrow has no kernel for it; a view of 16 bytes begins with the length of its text
    views = np.frombuffer(chunk.buffers()[1], dtype=np.int32).reshape(-1, VIEW_WORDS)
    lengths = views[chunk.offset : chunk.offset + len(chunk), 0]
    return bool((lengths > MAX_TEXT_BYTES).any())


def _unpack_column(column: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415  heavy
    import pyarrow.compute as pc  # noqa: PLC0415  heavy

    while column.type != _get_value_type(column.type):
        if pa.types.is_dictionary(column.type):
            values = [chunk.dictionary.take(chunk.indices) for chunk in column.chunks]
            column = pa.chunked_array(values, column.type.value_type)
        else:
            column = pc.run_end_decode(column)
    return column.cast(pa.string()) if pa.types.is_string_view(column.type) else column


def _convert_numbers(column: Any, field_kind: Kind) -> Any:
    """Convert the numbers of a column to floats; codes of a category stay integers."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    if pa.types.is_float16(column.type):
        return column.cast(pa.float32())
    # a float32 is compared with the limits of its field in float32
    if pa.types.is_float32(column.type):
        return column
    if pa.types.is_decimal(column.type) or (_is_number(column.type) and field_kind in NUMERIC_KINDS):
        # unsafe: an integer beyond 2**53 is rounded, which the bounds of its field refuse
        return column.cast(pa.float64(), safe=False)
    return column


def _build_fault(field: str, value: str, allowed: str, reason: str) -> FieldError:
    return FieldError(row=0, field=str(truncate_value(field)), value=value, allowed=allowed, reason=reason)
