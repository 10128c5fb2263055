"""Conversion between chunks, rows of a journal file and single predictions."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from servicio_ml.domain.prediction import Chunk, LoggedPrediction, format_prediction_ids, parse_prediction_id
from servicio_ml.errors import UnknownPredictionError

COLUMNS = "key, at, model, version, protocol, purpose, rows, places, outcomes, probabilities, features"
INSERT = f"INSERT OR IGNORE INTO chunk ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  constants
INSERT_IDENTIFIER = "INSERT INTO identifier (seq, place, model, identifier, at) VALUES (?, ?, ?, ?, ?)"
ChunkRow = tuple[bytes, float, str, int, str, str, int, bytes, bytes, bytes, bytes]


def build_row(chunk: Chunk) -> ChunkRow:
    """Build the values of `COLUMNS` from a chunk."""
    # an enumeration is a string too, but SQLite binds plain strings much faster
    return (
        chunk.key, chunk.at, chunk.model, chunk.version, str(chunk.protocol), str(chunk.purpose), chunk.rows,
        chunk.places, chunk.outcomes, chunk.probabilities, chunk.features,
    )  # fmt: skip


def list_identifiers(chunk: Chunk) -> Iterator[tuple[int, str]]:
    """List the place and the identifier of each row of a chunk that has one."""
    if chunk.identifiers:
        places = np.frombuffer(chunk.places, dtype="<u4").tolist()
        for place, text in zip(places, chunk.identifiers, strict=True):
            if text is not None:
                yield place, text


def build_chunk(row: ChunkRow) -> Chunk:
    """Build a chunk from the values of `COLUMNS`."""
    key, at, model, version, protocol, purpose, rows, places, outcomes, probabilities, features = row
    return Chunk(
        key=key, at=at, model=model, version=version, protocol=protocol, purpose=purpose, rows=rows,
        places=places, features=features, outcomes=outcomes, probabilities=probabilities,
    )  # fmt: skip


def group_places_by_key(ids: Collection[str]) -> dict[bytes, list[int]]:
    """Group prediction ids into the places within each chunk, by chunk key; malformed ids are left out."""
    wanted: dict[bytes, list[int]] = {}
    for each in ids:
        try:
            key, place = parse_prediction_id(each)
        except UnknownPredictionError:
            continue
        wanted.setdefault(key, []).append(place)
    return wanted


def keep_latest(
    found: Mapping[str, LoggedPrediction], others: Mapping[str, LoggedPrediction]
) -> dict[str, LoggedPrediction]:
    """Keep the latest prediction of each identifier."""
    latest = dict(found)
    for text, other in others.items():
        known = latest.get(text)
        if known is None or (known.at, known.id) < (other.at, other.id):
            latest[text] = other
    return latest


def select_features(chunk: Chunk, wanted: Collection[int]) -> Iterator[tuple[str, bytes]]:
    """Select the ids and the features of the rows at the given places of a chunk."""
    width = len(chunk.features) // max(chunk.rows, 1)
    rows = {place: row for row, place in enumerate(np.frombuffer(chunk.places, dtype="<u4").tolist())}
    for place in wanted:
        if place in rows:
            start = rows[place] * width
            yield format_prediction_ids(chunk.key, place, 1)[0], chunk.features[start : start + width]


def select_predictions(chunk: Chunk, wanted: Collection[int]) -> Iterator[LoggedPrediction]:
    """Select the logged predictions at the given places of a chunk, in order; its features are not read."""
    places = np.frombuffer(chunk.places, dtype="<u4")
    outcomes = np.frombuffer(chunk.outcomes, dtype="<f8")
    probabilities = np.frombuffer(chunk.probabilities, dtype="<f8").reshape(chunk.rows, -1)
    # places are stored in ascending order, which lets a binary search find them
    asked = np.asarray(sorted(set(wanted)), dtype=np.uint32)
    found = np.searchsorted(places, asked)
    for place, row in zip(asked.tolist(), found.tolist(), strict=True):
        if row < chunk.rows and places[row] == place:
            yield LoggedPrediction(
                id=format_prediction_ids(chunk.key, place, 1)[0], at=chunk.at, model=chunk.model,
                version=chunk.version, purpose=chunk.purpose, outcome=float(outcomes[row]),
                probabilities=tuple(probabilities[row].tolist()),
            )  # fmt: skip
