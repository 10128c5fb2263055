"""A tensor of the protocol, from and to JSON values and raw bytes."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.errors import RequestError
from servicio_ml.serving.decode import SHOWN_CHARACTERS

BYTES, FP32, FP64, INT64 = "BYTES", "FP32", "FP64", "INT64"
NUMBERS: dict[str, np.dtype[Any]] = {
    "UINT8": np.dtype("<u1"), "UINT16": np.dtype("<u2"), "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"), "INT8": np.dtype("<i1"), "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"), INT64: np.dtype("<i8"), FP32: np.dtype("<f4"), FP64: np.dtype("<f8"),
}  # fmt: skip
"""Datatypes of numbers, as they lie in raw bytes."""
FLOATS = (FP32, FP64)
LENGTH = struct.Struct("<I")
"""Stands before each BYTES element in raw bytes."""
MAX_AXES = 2
"""Rows, and values of a row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensor:
    """A tensor whose values fit its datatype and its shape.

    Attributes:
        name: Of the input or output.
        datatype: As the protocol calls it.
        shape: One or two axes.
        values: Row by row: an array of numbers, or the texts of BYTES, of which None is a missing one.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: npt.NDArray[Any] | list[str | None]


def cut(text: str) -> str:
    """A text as a message shows it."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def from_raw(name: str, datatype: str, shape: Sequence[int], raw: bytes) -> Tensor:
    """A tensor of raw bytes.

    Raises:
        RequestError: Datatype, shape and bytes do not go together.
    """
    elements = _elements(name, datatype, shape)
    if datatype == BYTES:
        return Tensor(name=name, datatype=datatype, shape=tuple(shape), values=_split(name, raw, elements))
    size = elements * NUMBERS[datatype].itemsize
    if len(raw) != size:
        raise _wrong(name, f"has {len(raw)} bytes", f"shape {list(shape)} of {datatype} takes {size}")
    values = np.frombuffer(raw, dtype=NUMBERS[datatype])
    return Tensor(name=name, datatype=datatype, shape=tuple(shape), values=values)


def from_values(name: str, datatype: str, shape: Sequence[int], data: Sequence[Any]) -> Tensor:
    """A tensor of values, flat or nested as its shape is; None is a missing number or text.

    Raises:
        RequestError: Datatype, shape and values do not go together.
    """
    elements = _elements(name, datatype, shape)
    flat = _flat(name, shape, data)
    if len(flat) != elements:
        raise _wrong(name, f"has {len(flat)} values", f"shape {list(shape)} takes {elements}")
    _check_types(name, datatype, flat)
    return Tensor(name=name, datatype=datatype, shape=tuple(shape), values=_array(name, datatype, flat))


def to_raw(tensor: Tensor) -> bytes:
    """Its values as raw bytes."""
    if isinstance(tensor.values, np.ndarray):
        return tensor.values.astype(NUMBERS[tensor.datatype], copy=False).tobytes()
    texts = [(text or "").encode() for text in tensor.values]
    return b"".join(part for text in texts for part in (LENGTH.pack(len(text)), text))


def text_of(name: str, place: int, value: bytes) -> str:
    """A BYTES element as text.

    Raises:
        RequestError: It is no UTF-8.
    """
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _wrong(name, f"has {cut(repr(value))} as value {place}", "BYTES hold UTF-8 text") from None


def _wrong(name: str, problem: str, allowed: str) -> RequestError:
    return RequestError(f"tensor {cut(name)!r} {problem}", allowed)


def _elements(name: str, datatype: str, shape: Sequence[int]) -> int:
    if datatype != BYTES and datatype not in NUMBERS:
        raise _wrong(name, f"is {cut(datatype)!r}", f"datatypes are {', '.join((BYTES, *NUMBERS))}")
    if not 1 <= len(shape) <= MAX_AXES or min(shape) < 0:
        raise _wrong(
            name, f"has shape {cut(str([*shape[: MAX_AXES + 1]]))}", "it takes [rows] or [rows, values]"
        )
    return prod(shape)


def _split(name: str, raw: bytes, elements: int) -> list[str | None]:
    texts: list[str | None] = []
    place = 0
    while place < len(raw):
        start = place + LENGTH.size
        if start > len(raw):
            raise _wrong(name, f"ends within the length of value {len(texts)}", "4 bytes stand before each")
        place = start + LENGTH.unpack_from(raw, place)[0]
        if place > len(raw):
            problem = f"ends within value {len(texts)}"
            raise _wrong(name, problem, f"{place - start} bytes were announced, {len(raw) - start} are there")
        texts.append(text_of(name, len(texts), raw[start:place]))
    if len(texts) != elements:
        raise _wrong(name, f"has {len(texts)} values", f"its shape takes {elements}")
    return texts


def _flat(name: str, shape: Sequence[int], data: Sequence[Any]) -> Sequence[Any]:
    if not any(type(value) is list for value in data):
        return data
    level = data
    for size in shape[1:]:
        if any(type(row) is not list or len(row) != size for row in level):
            raise _wrong(name, "has rows of other lengths", f"its shape is {list(shape)}")
        level = [value for row in level for value in row]
    return level


def _check_types(name: str, datatype: str, flat: Sequence[Any]) -> None:
    missing = type(None)
    taken = {str, missing} if datatype == BYTES else {int, float, missing} if datatype in FLOATS else {int}
    if set(map(type, flat)) <= taken:
        return
    place, value = next((i, value) for i, value in enumerate(flat) if type(value) not in taken)
    what = "texts" if datatype == BYTES else "numbers" if datatype in FLOATS else "whole numbers"
    raise _wrong(name, f"has {cut(repr(value))} as value {place}", f"{datatype} takes {what}")


def _array(name: str, datatype: str, flat: Sequence[Any]) -> npt.NDArray[Any] | list[str | None]:
    if datatype == BYTES:
        return list(flat)
    try:
        # what is too great for FP32 becomes infinite, which no field takes
        with np.errstate(over="ignore"):
            return np.array(flat, dtype=NUMBERS[datatype])
    except (OverflowError, ValueError):
        raise _wrong(name, "has a whole number that is out of range", f"its datatype is {datatype}") from None
