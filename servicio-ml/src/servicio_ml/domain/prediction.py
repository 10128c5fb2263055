"""Logged predictions, their identifiers, and ground truth that is received later."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from servicio_ml.domain.fields.identifier import Identifiers
from servicio_ml.domain.ports.clock import Clock
from servicio_ml.errors import UnknownPredictionError

# an id carries the row's index, so the log stores one key per chunk and not one per row
ROW_BITS = 24
MAX_ROWS = 1 << ROW_BITS
"""Maximum number of rows of a chunk."""
VERSION_BITS, FRACTION_BITS = 4, 12
TICKS_PER_SECOND = 1000 << FRACTION_BITS
"""A key has the time in fractions of a millisecond, as RFC 9562 (method 3) allows."""
VARIANT = 0b10
TIMED, NAMED = 7, 8
"""UUID versions of RFC 9562: time-ordered, and custom (here a hash)."""
# versions 7 and 8 with the RFC's variant only: any other UUID cannot be ours and needs no query
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Purpose(StrEnum):
    """Purpose for which a row was scored.

    A `canary` row is answered by a version that the client got by a share of the traffic: in an experiment
    also by the champion, else by another one only.
    """

    ANSWER = "answer"
    CANARY = "canary"
    SHADOW = "shadow"


class Interface(StrEnum):
    """Interface that received a row."""

    REST = "rest"
    OIP = "oip"
    GRPC = "grpc"
    GRAPHQL = "graphql"
    STREAM = "stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Logged rows that one model version scored together.

    The prediction id of a row is a UUID: the key of the chunk with the index of the row in its last 24 bits.

    Attributes:
        key: 16 bytes, the last three of them zero.
        at: Time of the prediction, in seconds since 1970.
        model: Name of the model.
        version: Version of the model.
        protocol: Interface that received the rows.
        purpose: Purpose of the prediction.
        rows: Number of logged rows.
        places: uint32, little endian, `[rows]`, ascending: indices of the logged rows in the request, with
            gaps when only a sample is logged.
        features: float32, little endian, `[rows, fields]`: the matrix without its derived columns.
        outcomes: float64, little endian, `[rows]`: index of the label, or the number.
        probabilities: float64, little endian, `[rows, classes]`; empty in a regression.
        identifiers: Identifiers of the logged rows, by which `PredictionLog.find_latest` finds answers; those
            of a challenger in shadow have none.
    """

    key: bytes
    at: float
    model: str
    version: int
    protocol: str
    purpose: str
    rows: int
    # packed bytes: one blob per column and chunk is far cheaper to log than one record per row
    places: bytes
    features: bytes
    outcomes: bytes
    probabilities: bytes
    identifiers: Identifiers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRows:
    """Rows of one model version from several chunks, in the encoding of `Chunk`."""

    rows: int
    features: bytes
    outcomes: bytes
    probabilities: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedPrediction:
    """One logged row.

    Attributes:
        id: Prediction id, as text.
        at: Time of the prediction, in seconds since 1970.
        model: Name of the model.
        version: Version of the model.
        purpose: Purpose of the prediction.
        outcome: Index of the label, or the number.
        probabilities: Probability of each class; empty in a regression.
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
    """Actual outcome of a prediction.

    Attributes:
        prediction_id: Identifier of the prediction.
        actual: Index of the label, or the number.
        at: Time of receipt, in seconds since 1970.
    """

    prediction_id: str
    actual: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPrediction:
    """Prediction with its ground truth.

    Attributes:
        prediction: Logged prediction.
        actual: Index of the label, or the number.
        at: Time of receipt, in seconds since 1970.
        revision: 1 for the first ground truth, one more for each correction.
        new: False when the same ground truth was known already and nothing was written.
    """

    prediction: LoggedPrediction
    actual: float
    at: float
    revision: int
    new: bool


def create_timed_key(at: float, random: Callable[[int], int]) -> bytes:
    """Create the key of a new chunk.

    Args:
        at: Time, in seconds since 1970.
        random: Function that returns the given number of random bits, such as `random.getrandbits`.
    """
    # time in the highest bits keeps keys in the order of insertion, so that indices grow at one end
    milliseconds, fraction = divmod(round(at * TICKS_PER_SECOND), 1 << FRACTION_BITS)
    high = (milliseconds << (VERSION_BITS + FRACTION_BITS)) | (TIMED << FRACTION_BITS) | fraction
    # the lowest bits stay zero, because the index of a row is added there
    low = (VARIANT << 62) | (random(62 - ROW_BITS) << ROW_BITS)
    return ((high << 64) | low).to_bytes(16, "big")


class TimedKeys:
    """Creates the keys of new chunks, each above the one before, also when the clock is set back.

    Args:
        clock: Returns the time in seconds since 1970.
        random: As for `create_timed_key`.
    """

    def __init__(self, clock: Clock, random: Callable[[int], int]) -> None:
        self._clock, self._random = clock, random
        self._lock, self._last_tick = threading.Lock(), 0

    def create(self) -> bytes:
        """Create the key of a new chunk."""
        # requests in threads create keys as well
        with self._lock:
            tick = self._last_tick = max(int(self._clock() * TICKS_PER_SECOND), self._last_tick + 1)
        return create_timed_key(tick / TICKS_PER_SECOND, self._random)


def derive_named_key(name: str) -> bytes:
    """Derive the key of a chunk from the name of its message."""
    # a message that is delivered twice gets the same key, and the log keeps only one chunk of a key
    number = int.from_bytes(blake2b(name.encode(), digest_size=16).digest(), "big")
    number &= ~((0xF << 76) | (0b11 << 62) | (MAX_ROWS - 1))
    return (number | (NAMED << 76) | (VARIANT << 62)).to_bytes(16, "big")


def derive_shadow_key(key: bytes) -> bytes:
    """Derive the key of the challenger's chunk for the same rows at the same indices."""
    # derived and not drawn: a repeated delivery must find its shadow chunk in the log as well
    return derive_named_key(f"shadow of {key.hex()}")


def format_prediction_ids(key: bytes, start: int, rows: int) -> list[str]:
    """Format the prediction ids of `rows` rows of a chunk, from the index `start` on."""
    # the head is formatted once per chunk, instead of a `uuid.UUID` object for each row
    text = key.hex()
    head = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:26]}"
    return [f"{head}{place:06x}" for place in range(start, start + rows)]


def parse_prediction_id(text: str) -> tuple[bytes, int]:
    """Parse a prediction id into the key of the chunk and the index of the row.

    Raises:
        UnknownPredictionError: The text is no prediction id.
    """
    if not UUID_TEXT.fullmatch(text):
        raise UnknownPredictionError(text)
    uuid = bytes.fromhex(text.replace("-", ""))
    # the inverse of `format_prediction_ids`: three zero bytes restore the key of the chunk
    return uuid[:13] + bytes(3), int.from_bytes(uuid[13:], "big")
