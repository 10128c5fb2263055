"""Versions of a model and chunks of their rows, for tests of logged predictions."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from servicio_ml.domain.fields.identifier import Identifiers
from servicio_ml.domain.prediction import Chunk, Interface, Purpose, create_timed_key, format_prediction_ids
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, LearnedLevels
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.logged_rows.columns import LoggedVersion
from servicio_ml.features.output import OutputTransform

MODEL = "rain"
BITS = random.Random(11).getrandbits  # noqa: S311  ids, no secrets
NOW = 1_700_000_000.25
"""2023-11-14T22:13:20.250000Z."""
SCHEMA = FeatureSchema(
    fields=(
        Field(name="day", kind=Kind.DATE, nullable=True),
        Field(name="seen", kind=Kind.DATETIME, nullable=True),
        Field(name="size", kind=Kind.NUMBER, nullable=True),
        Field(name="count", kind=Kind.INTEGER, nullable=True),
        Field(
            name="town", kind=Kind.CATEGORY, nullable=True, levels=("Sydney", 'the "Top"', "other"),
            learned_levels=LearnedLevels(),
        ),
        Field(name="wet", kind=Kind.BOOLEAN, nullable=True),
        Field(name="note", kind=Kind.TEXT, nullable=True, words=("sold", "diesel", "2015")),
        Field(name="label", kind=Kind.NUMBER, nullable=True),
    )
)  # fmt: skip
"""A field of each kind; `label` is called like a column of the answer."""
BINARY = LoggedVersion(version=3, schema=SCHEMA, output=OutputTransform(task="binary", labels=("No", "Yes")))
RECORD: Mapping[str, Any] = {
    "day": "2016-06-15", "seen": "2016-06-15T23:59:58", "size": 12.1, "count": 7, "town": 'the "Top"',
    "wet": True, "note": "2015 new, SOLD", "label": 0.5,
}  # fmt: skip
MISSING: Mapping[str, Any] = dict.fromkeys(RECORD)


def build_version(
    version: int, *fields: Field, task: str = "binary", labels: Sequence[str] = ("No", "Yes")
) -> LoggedVersion:
    """A version with some fields."""
    output = OutputTransform(task=task, labels=tuple(labels))
    return LoggedVersion(version=version, schema=FeatureSchema(fields=fields), output=output)


def build_chunk(  # noqa: PLR0913  each test names what it is about
    version: LoggedVersion, records: Sequence[Mapping[str, Any]], *, at: float = NOW,
    outcomes: Sequence[float] = (), probabilities: Sequence[Sequence[float]] = (),
    purpose: Purpose = Purpose.ANSWER, places: Sequence[int] = (), identifiers: Identifiers = (),
    model: str = MODEL,
) -> Chunk:  # fmt: skip
    """The chunk of records that a version has answered, as a predictor logs it."""
    rows, classes = len(records), len(version.output.labels)
    matrix = Encoder(version.schema).encode_records(records)[:, : len(version.schema.owners)]
    answers = np.array(outcomes or [0.0] * rows, "<f8")
    shares = np.array(probabilities or np.full((rows, classes), 1 / max(classes, 1)), "<f8")
    return Chunk(
        key=create_timed_key(at, BITS), at=at, model=model, version=version.version,
        protocol=Interface.REST, purpose=purpose, rows=rows,
        places=np.array(places or range(rows), "<u4").tobytes(), features=matrix.astype("<f4").tobytes(),
        outcomes=answers.tobytes(), probabilities=shares.tobytes(), identifiers=identifiers,
    )  # fmt: skip


def list_ids(chunk: Chunk) -> list[str]:
    """The prediction ids of a chunk's rows."""
    places = np.frombuffer(chunk.places, "<u4").tolist()
    return [format_prediction_ids(chunk.key, place, 1)[0] for place in places]
