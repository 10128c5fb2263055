"""JSON bodies as documents: their rows, and the names of raw columns in them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from servicio_ml.errors import FieldError
from servicio_ml.features.requests.field_names import FieldNames
from servicio_ml.serving.models.json_keys import check_keys

RECORDS, COLUMNS = "records", "columns"
CONTAINERS = frozenset({RECORDS, COLUMNS})
"""Keys of a batch that hold the fields."""
SLICE_BYTES = 1 << 14
"""Size of a slice of records: its decoding holds the interpreter for less than a millisecond."""
BEFORE_RECORDS = re.compile(rb'\s*(\{\s*"records"\s*:\s*)?\[\s*(?=\{)')
BETWEEN_RECORDS = re.compile(rb"\}\s*,\s*(?=\{)")
NO_COUNT = -1
"""Number of members that no body has, so that each of its keys is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamedBody:
    """A body with names of raw columns, after they were replaced by those of the fields.

    Attributes:
        body: The body; records whose names do not go together are unchanged.
        row_faults: The faults of these records.
        body_faults: Those of the columns of a batch.
    """

    body: bytes
    row_faults: Sequence[FieldError] = ()
    body_faults: Sequence[FieldError] = ()


def rename_record(body: bytes, names: FieldNames) -> RenamedBody | None:
    """Rename the fields of one record; None where none of its names is that of a raw column.

    Raises:
        RepeatedKeyError: A key is repeated.
    """
    record = _parse(body)
    if not _has_raw([record], names):
        return None
    (renamed,), faults = _rename_records([record], names)
    return _write(body, renamed, body_faults=faults)


def rename_batch(body: bytes, names: FieldNames) -> RenamedBody | None:
    """Rename the fields of a batch; None where none of its names is that of a raw column.

    Raises:
        RepeatedKeyError: A key is repeated.
    """
    batch = _parse(body)
    document = {RECORDS: batch} if isinstance(batch, list) else batch
    if not isinstance(document, dict):
        return None
    records, columns = document.get(RECORDS), document.get(COLUMNS)
    rows = records if isinstance(records, list) else []
    if not _has_raw([*rows, columns], names):
        return None
    renamed, row_faults = _rename_records(rows, names)
    (renamed_columns,), body_faults = _rename_records([columns], names)
    parts = {RECORDS: renamed if rows else records, COLUMNS: renamed_columns}
    document = {name: parts.get(name, value) for name, value in document.items()}
    return _write(body, document, row_faults, body_faults)


def split_records(body: bytes) -> Iterator[bytes]:
    """Cut the records of a batch into arrays of some kilobytes; nothing of a body without records.

    Where a text holds the marks that stand between two records, a slice may be no JSON, and neither are all
    slices where the body is none.
    """
    before, stop = BEFORE_RECORDS.match(body), body.rfind(b"]")
    if before is None or body[stop + 1 :].strip() != (b"}" if before[1] else b""):
        return
    start = before.end()
    while start < stop:
        between = BETWEEN_RECORDS.search(body, start + SLICE_BYTES, stop)
        end, following = (stop, stop) if between is None else (between.start() + 1, between.end())
        yield b"[" + body[start:end] + b"]"
        start = following


def select_rows(given: Any, rows: Sequence[int]) -> Any:
    """Select rows of records, or of each column that is not null."""
    if isinstance(given, dict):
        return {name: values and select_rows(values, rows) for name, values in given.items()}
    return [given[row] for row in rows]


def count_batch_members(batch: Any) -> int:
    """Count the members of a validated batch that the client has sent."""
    parts = [batch, *(batch.records or ())] if batch.columns is None else [batch, batch.columns]
    # not `model_fields_set`: the property of Pydantic costs more than the rest
    return sum([len(each.__pydantic_fields_set__) for each in parts])


def _parse(body: bytes) -> Any:
    try:
        return from_json(body)
    # what is wrong with the body is known already, and named by the caller
    except ValueError:
        return None


def _has_raw(records: Sequence[Any], names: FieldNames) -> bool:
    return any(isinstance(each, dict) and names.has_raw(each) for each in records)


def _rename_records(records: Sequence[Any], names: FieldNames) -> tuple[list[Any], list[FieldError]]:
    renamed, faults = [], []
    for row, record in enumerate(records):
        fault = names.find_fault(record, row) if isinstance(record, dict) else None
        if fault:
            faults.append(fault)
        changes = isinstance(record, dict) and not fault
        renamed.append({names.rename(name): value for name, value in record.items()} if changes else record)
    return renamed, faults


def _write(
    body: bytes, document: Any, row_faults: Sequence[FieldError] = (), body_faults: Sequence[FieldError] = ()
) -> RenamedBody:
    # a repeated key has lost its first value
    check_keys(body, NO_COUNT)
    # as JSON again: Pydantic takes other types from Python than from JSON
    text = to_json(document, inf_nan_mode="constants")
    return RenamedBody(body=text, row_faults=row_faults, body_faults=body_faults)
