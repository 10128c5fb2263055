"""Multivariate drift of a window: its rows against the training rows of the same seasons."""

import numpy as np

from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.bins import Integers, Numbers
from servicio_ml.features.encoder import Encoder
from servicio_ml.pipeline.drift.domain_classifier import (
    MIN_ROWS,
    ClassifierResult,
    classify_domains,
    limit_rows,
)
from servicio_ml.pipeline.drift.reference import match_seasons, read_rows
from servicio_ml.pipeline.drift.window import (
    LoggedWindow,
)

# fixed: two reports on the same window must not differ by their samples
SEED = 1234


def read_training_rows(
    window: LoggedWindow, store: ObjectStore, seasons: Integers, limit: int, random: np.random.Generator
) -> Numbers:
    """`[n, fields]`: training rows of the window's seasons.

    Raises:
        StoreError: They are not in the lake.
    """
    schema = window.artifact.encoder.schema
    matrix = Encoder(schema).encode_frame(read_rows(store, window.info, "train"))[:, : len(schema.owners)]
    return matrix[match_seasons(window.artifact.reference, matrix, seasons, limit, random)]


def run_classifier(
    window: LoggedWindow, rows: Numbers, reference: Numbers
) -> tuple[ClassifierResult | None, str]:
    """Run the domain classifier; without enough rows, return None and the reason."""
    fewest = min(len(rows), len(reference))
    places = list_undated_fields(window.artifact.encoder.schema)
    # with fewer rows the interval of the area covers nearly everything
    if fewest < MIN_ROWS or not places:
        return None, f"{MIN_ROWS} rows of each side and a field that is no date are needed"
    random, names = np.random.default_rng(SEED), window.artifact.encoder.schema.field_names
    now, then = (
        sort_by_date(window.artifact.encoder.schema, limit_rows(side, random))[:, places]
        for side in (rows, reference)
    )
    policy = window.artifact.reference.policy
    return classify_domains(now, then, [names[i] for i in places], policy, seed=SEED), ""


def sort_by_date(schema: FeatureSchema, matrix: Numbers) -> Numbers:
    """Rows by their first date; where there is none, as they were logged or read."""
    dates = [i for i, each in enumerate(schema.fields) if each.is_dated]
    return matrix[np.argsort(matrix[:, dates[0]], kind="stable")] if dates else matrix


def list_undated_fields(schema: FeatureSchema) -> list[int]:
    """Places of the fields that are no dates: every date after the training rows is new."""
    return [i for i, each in enumerate(schema.fields) if not each.is_dated]
