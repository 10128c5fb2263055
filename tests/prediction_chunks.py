"""Chunks of the prediction log, as a predictor makes them."""

import random
from collections.abc import Sequence

import numpy as np

from servicio_ml.adapters.prediction_log.rows import select_predictions
from servicio_ml.domain.fields.identifier import Identifiers
from servicio_ml.domain.prediction import (
    Chunk,
    Interface,
    LoggedPrediction,
    Purpose,
    create_timed_key,
    derive_named_key,
    format_prediction_ids,
)

BITS = random.Random(11).getrandbits  # noqa: S311  ids, no secrets
NOW = 1_700_000_000.25


def build_chunk(  # noqa: PLR0913  each test names what it is about
    at: float = NOW, rows: int = 1, *, model: str = "rain", version: int = 3, width: int = 3,
    classes: int = 2, purpose: Purpose = Purpose.ANSWER, name: str = "", places: Sequence[int] = (),
    identifiers: Identifiers = (),
) -> Chunk:  # fmt: skip
    """A chunk whose values all differ; a missing value is among them."""
    places = places or range(rows)
    features = np.arange(len(places) * width, dtype="<f4").reshape(len(places), width) + 0.5
    features[0, 0] = np.nan
    return Chunk(
        key=derive_named_key(name) if name else create_timed_key(at, BITS),
        at=at,
        model=model,
        version=version,
        protocol=Interface.REST,
        purpose=purpose,
        rows=len(places),
        places=np.array(places, "<u4").tobytes(),
        features=features.tobytes(),
        outcomes=(np.arange(len(places), dtype="<f8") / 8).tobytes(),
        probabilities=(np.arange(len(places) * classes, dtype="<f8") / 16).tobytes(),
        identifiers=identifiers,
    )


def list_prediction_ids(made: Chunk) -> list[str]:
    """The prediction ids of a chunk's rows."""
    places = np.frombuffer(made.places, "<u4").tolist()
    return [format_prediction_ids(made.key, place, 1)[0] for place in places]


def list_predictions(made: Chunk) -> list[LoggedPrediction]:
    """The rows of a chunk as single predictions."""
    return list(select_predictions(made, np.frombuffer(made.places, "<u4").tolist()))
