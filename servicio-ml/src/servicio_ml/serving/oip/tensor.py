"""Tensor of the protocol, converted from and to JSON values and raw bytes."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.errors import RequestError, format_value
from servicio_ml.serving.models.truncation import MAX_VALUE_CHARACTERS

BYTES, BOOL, FP32, FP64, INT64 = "BYTES", "BOOL", "FP32", "FP64", "INT64"
NUMBER_DTYPES: dict[str, np.dtype[Any]] = {
    "UINT8": np.dtype("<u1"), "UINT16": np.dtype("<u2"), "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"), "INT8": np.dtype("<i1"), "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"), INT64: np.dtype("<i8"), FP32: np.dtype("<f4"), FP64: np.dtype("<f8"),
}  # fmt: skip
"""Datatypes of numbers with their layout in raw bytes: little-endian."""
ARRAY_DTYPES = {**NUMBER_DTYPES, BOOL: np.dtype("?")}
"""Datatypes of a fixed size with their layout in raw bytes."""
FLOATS = (FP32, FP64)
LENGTH_PREFIX = struct.Struct("<I")
"""Length in bytes that precedes each BYTES element in raw bytes."""
MAX_AXES = 2
"""Maximum number of axes: rows, and values of a row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensor:
    """Tensor whose values fit its datatype and its shape.

    Attributes:
        name: Name of the input or output.
        datatype: Datatype in the protocol's notation.
        shape: Lengths of one or two axes.
        values: Values in row-major order: an array of numbers, or the texts of BYTES with None for missing.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: npt.NDArray[Any] | list[str | None]


def truncate_text(text: str) -> str:
    """Truncate a text for a message."""
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"


def from_raw(name: str, datatype: str, shape: Sequence[int], raw: bytes) -> Tensor:
    """Build a tensor from raw bytes.

    Raises:
        RequestError: Datatype, shape and bytes do not fit together.
    """
    elements = _count_elements(name, datatype, shape)
    if datatype == BYTES:
        return Tensor(
            name=name, datatype=datatype, shape=tuple(shape), values=_split_bytes(name, raw, elements)
        )
    size = elements * ARRAY_DTYPES[datatype].itemsize
    if len(raw) != size:
        raise _build_error(name, f"has {len(raw)} bytes", f"shape {list(shape)} of {datatype} takes {size}")
    # a view without a copy; the matrix is filled from it, so nothing writes to it
    values = np.frombuffer(raw, dtype=ARRAY_DTYPES[datatype])
    return Tensor(name=name, datatype=datatype, shape=tuple(shape), values=values)


def from_values(name: str, datatype: str, shape: Sequence[int], data: Sequence[Any]) -> Tensor:
    """Build a tensor from values, flat or nested like its shape; None is a missing number or text.

    Raises:
        RequestError: Datatype, shape and values do not fit together.
    """
    elements = _count_elements(name, datatype, shape)
    # checked before the types: a wrong shape explains more than a wrong value
    flat = _flatten(name, shape, data)
    if len(flat) != elements:
        raise _build_error(name, f"has {len(flat)} values", f"shape {list(shape)} takes {elements}")
    _check_types(name, datatype, flat)
    return Tensor(name=name, datatype=datatype, shape=tuple(shape), values=_build_array(name, datatype, flat))


def to_raw(tensor: Tensor) -> bytes:
    """Convert the values of a tensor to raw bytes."""
    if isinstance(tensor.values, np.ndarray):
        return tensor.values.astype(ARRAY_DTYPES[tensor.datatype], copy=False).tobytes()
    # a missing text is empty: BYTES has no value for missing
    texts = [(text or "").encode() for text in tensor.values]
    return b"".join(piece for text in texts for piece in (LENGTH_PREFIX.pack(len(text)), text))


def decode_text(name: str, position: int, value: bytes) -> str:
    """Decode a BYTES element.

    Raises:
        RequestError: The element is not UTF-8.
    """
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _build_error(
            name, f"has {truncate_text(repr(value))} as value {position}", "BYTES hold UTF-8 text"
        ) from None


def _build_error(name: str, problem: str, allowed: str) -> RequestError:
    return RequestError(f"tensor {truncate_text(name)!r} {problem}", allowed)


def _count_elements(name: str, datatype: str, shape: Sequence[int]) -> int:
    if datatype != BYTES and datatype not in ARRAY_DTYPES:
        raise _build_error(
            name, f"is {truncate_text(datatype)!r}", f"datatypes are {', '.join((BYTES, *ARRAY_DTYPES))}"
        )
    if not 1 <= len(shape) <= MAX_AXES or min(shape) < 0:
        raise _build_error(
            name,
            f"has shape {truncate_text(str([*shape[: MAX_AXES + 1]]))}",
            "it takes [rows] or [rows, values]",
        )
    return prod(shape)


def _split_bytes(name: str, raw: bytes, elements: int) -> list[str | None]:
    texts: list[str | None] = []
    offset = 0
    while offset < len(raw):
        start = offset + LENGTH_PREFIX.size
        if start > len(raw):
            raise _build_error(
                name, f"ends within the length of value {len(texts)}", "4 bytes stand before each"
            )
        # a length beyond the data is caught by the next check, before anything is sliced
        offset = start + LENGTH_PREFIX.unpack_from(raw, offset)[0]
        if offset > len(raw):
            problem = f"ends within value {len(texts)}"
            raise _build_error(
                name, problem, f"{offset - start} bytes were announced, {len(raw) - start} are there"
            )
        texts.append(decode_text(name, len(texts), raw[start:offset]))
    if len(texts) != elements:
        raise _build_error(name, f"has {len(texts)} values", f"its shape takes {elements}")
    return texts


def _flatten(name: str, shape: Sequence[int], data: Sequence[Any]) -> Sequence[Any]:
    # the protocol allows flat data for any shape
    if not any(type(value) is list for value in data):
        return data
    level = data
    for size in shape[1:]:
        if any(type(row) is not list or len(row) != size for row in level):
            raise _build_error(name, "has rows of other lengths", f"its shape is {list(shape)}")
        level = [value for row in level for value in row]
    return level


def _check_types(name: str, datatype: str, flat: Sequence[Any]) -> None:
    # types, not isinstance: a bool is an int for Python, but not a number for the protocol
    missing = type(None)
    special: dict[str, set[type]] = {
        BYTES: {str, missing}, BOOL: {bool}, FP32: {int, float, missing}, FP64: {int, float, missing}
    }  # fmt: skip
    taken = special.get(datatype, {int})
    if set(map(type, flat)) <= taken:
        return
    # 5.0 is a whole number, too
    whole = taken == {int}
    names = {BYTES: "texts", BOOL: "true and false", **dict.fromkeys(FLOATS, "numbers")}
    what = names.get(datatype, "whole numbers")
    for position, value in enumerate(flat):
        if type(value) not in taken and not (whole and _is_whole(value)):
            raise _build_error(
                name,
                f"has {truncate_text(format_value(value))} as value {position}",
                f"{datatype} takes {what}",
            )


def _is_whole(value: Any) -> bool:
    return type(value) is float and value.is_integer()


def _build_array(name: str, datatype: str, flat: Sequence[Any]) -> npt.NDArray[Any] | list[str | None]:
    if datatype == BYTES:
        return list(flat)
    try:
        # FP32 as FP64: rounded, a number beyond its field's limit could be equal to it
        return np.array(flat, dtype=ARRAY_DTYPES[FP64 if datatype in FLOATS else datatype])
    except (OverflowError, ValueError):
        raise _build_error(
            name, "has a whole number that is out of range", f"its datatype is {datatype}"
        ) from None
