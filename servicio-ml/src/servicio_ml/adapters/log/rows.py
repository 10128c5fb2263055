"""Chunks as rows of a journal file, and single predictions out of them."""

from collections.abc import Collection, Iterator

import numpy as np

from servicio_ml.domain.prediction import Chunk, Prediction, parsed_id, prediction_ids
from servicio_ml.errors import UnknownPredictionError

COLUMNS = "key, at, model, version, protocol, purpose, rows, places, outcomes, probabilities, features"
INSERT = f"INSERT OR IGNORE INTO chunk ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  constants
Row = tuple[bytes, float, str, int, str, str, int, bytes, bytes, bytes, bytes]


def row_of(chunk: Chunk) -> Row:
    """The values of `COLUMNS`."""
    # enumerations are strings, but SQLite's binding takes exact strings much faster
    return (
        chunk.key, chunk.at, chunk.model, chunk.version, str(chunk.protocol), str(chunk.purpose), chunk.rows,
        chunk.places, chunk.outcomes, chunk.probabilities, chunk.features,
    )  # fmt: skip


def chunk_of(row: Row) -> Chunk:
    """The chunk of the values of `COLUMNS`."""
    key, at, model, version, protocol, purpose, rows, places, outcomes, probabilities, features = row
    return Chunk(
        key=key, at=at, model=model, version=version, protocol=protocol, purpose=purpose, rows=rows,
        places=places, features=features, outcomes=outcomes, probabilities=probabilities,
    )  # fmt: skip


def places_by_key(ids: Collection[str]) -> dict[bytes, list[int]]:
    """The places that are asked for in each chunk; what is no id of ours is left out."""
    wanted: dict[bytes, list[int]] = {}
    for each in ids:
        try:
            key, place = parsed_id(each)
        except UnknownPredictionError:
            continue
        wanted.setdefault(key, []).append(place)
    return wanted


def predictions_at(chunk: Chunk, wanted: Collection[int]) -> Iterator[Prediction]:
    """The predictions at those places of a chunk that are logged; its features are not read."""
    places = np.frombuffer(chunk.places, dtype="<u4")
    outcomes = np.frombuffer(chunk.outcomes, dtype="<f8")
    probabilities = np.frombuffer(chunk.probabilities, dtype="<f8").reshape(chunk.rows, -1)
    asked = np.asarray(sorted(set(wanted)), dtype=np.uint32)
    found = np.searchsorted(places, asked)
    for place, row in zip(asked.tolist(), found.tolist(), strict=True):
        if row < chunk.rows and places[row] == place:
            yield Prediction(
                id=prediction_ids(chunk.key, place, 1)[0], at=chunk.at, model=chunk.model,
                version=chunk.version, purpose=chunk.purpose, outcome=float(outcomes[row]),
                probabilities=tuple(probabilities[row].tolist()),
            )  # fmt: skip
