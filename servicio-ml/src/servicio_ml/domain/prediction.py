"""What is logged of a prediction, its ids, and the ground truth that comes later."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from servicio_ml.errors import UnknownPredictionError

ROW_BITS = 24
MAX_ROWS = 1 << ROW_BITS
"""Rows that one chunk can hold."""
MILLISECOND_BITS, VERSION_BITS, RANDOM_BITS = 48, 4, 12
VARIANT = 0b10
TIMED, NAMED = 7, 8
"""UUID versions of RFC 9562: by the time, and by a hash of one's own."""
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Purpose(StrEnum):
    """Why a row was scored."""

    ANSWER = "answer"
    CANARY = "canary"
    SHADOW = "shadow"


class Protocol(StrEnum):
    """The road by which a row came."""

    REST = "rest"
    OIP = "oip"
    GRPC = "grpc"
    GRAPHQL = "graphql"
    STREAM = "stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows that one model version scored together, as they are logged.

    A row's prediction id is a UUID: the chunk's key with the row's place in its last 24 bits.

    Attributes:
        key: 16 bytes, the last three of them zero.
        at: Seconds since 1970.
        model: Name of the model.
        version: Its version.
        protocol: The road the rows came by.
        purpose: Why they were scored.
        rows: How many are logged.
        places: uint32, little endian, `[rows]`, ascending: the places of the logged rows; not all numbers
            stand there when only a sample is logged.
        features: float32, little endian, `[rows, fields]`: the matrix without its derived columns.
        outcomes: float64, little endian, `[rows]`: the label's index, or the number.
        probabilities: float64, little endian, `[rows, classes]`; empty in a regression.
    """

    key: bytes
    at: float
    model: str
    version: int
    protocol: str
    purpose: str
    rows: int
    places: bytes
    features: bytes
    outcomes: bytes
    probabilities: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one model version out of many chunks; as `Chunk` has them."""

    rows: int
    features: bytes
    outcomes: bytes
    probabilities: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One logged row.

    Attributes:
        id: Its prediction id, as text.
        at: Seconds since 1970.
        model: Name of the model.
        version: Its version.
        purpose: Why it was scored.
        outcome: The label's index, or the number.
        probabilities: One per class; none in a regression.
    """

    id: str
    at: float
    model: str
    version: int
    purpose: str
    outcome: float
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundTruth:
    """What really happened, as it is reported.

    Attributes:
        prediction_id: Of the row that was answered.
        actual: The label's index, or the number.
        at: When it was reported, in seconds since 1970.
    """

    prediction_id: str
    actual: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A ground truth that was taken in.

    Attributes:
        prediction: What it belongs to.
        actual: The label's index, or the number.
        at: When it was reported, in seconds since 1970.
        revision: 1 for the first, one more for each correction.
        new: False when the same truth was known already: nothing was written.
    """

    prediction: Prediction
    actual: float
    at: float
    revision: int
    new: bool


def timed_key(at: float, random: Callable[[int], int]) -> bytes:
    """The key of a new chunk.

    Args:
        at: Seconds since 1970.
        random: Gives so many random bits: `random.getrandbits`.
    """
    high = (int(at * 1000) << (VERSION_BITS + RANDOM_BITS)) | (TIMED << RANDOM_BITS) | random(RANDOM_BITS)
    low = (VARIANT << 62) | (random(62 - ROW_BITS) << ROW_BITS)
    return ((high << 64) | low).to_bytes(16, "big")


def named_key(name: str) -> bytes:
    """The key of the chunk that answers a message of that name, the same whenever it is asked for."""
    number = int.from_bytes(blake2b(name.encode(), digest_size=16).digest(), "big")
    number &= ~((0xF << 76) | (0b11 << 62) | (MAX_ROWS - 1))
    return (number | (NAMED << 76) | (VARIANT << 62)).to_bytes(16, "big")


def shadow_key(key: bytes) -> bytes:
    """The key of the chunk in which the challenger's answers to the same rows, at the same places, are."""
    return named_key(f"shadow of {key.hex()}")


def prediction_ids(key: bytes, start: int, rows: int) -> list[str]:
    """The prediction ids, as text, of so many rows of a chunk from a place on."""
    text = key.hex()
    head = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:26]}"
    return [f"{head}{place:06x}" for place in range(start, start + rows)]


def parsed_id(text: str) -> tuple[bytes, int]:
    """Chunk key and place of a prediction id.

    Raises:
        UnknownPredictionError: It is no prediction id of ours.
    """
    if not UUID_TEXT.fullmatch(text):
        raise UnknownPredictionError(text)
    whole = bytes.fromhex(text.replace("-", ""))
    return whole[:13] + bytes(3), int.from_bytes(whole[13:], "big")
