"""Training and test rows of a version, read from the lake, mixed by the seasons of a window."""

import numpy as np
import polars as pl

from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.errors import NotPublishedError, StoreError
from servicio_ml.features.bins import Integers, Numbers
from servicio_ml.features.profile import ALL, MONTHS, ReferenceProfile, compute_months
from servicio_ml.lifecycle.published import MANIFEST, read_manifest
from servicio_ml.pipeline.etl.publish import SplitName, read_split


def read_rows(store: ObjectStore, info: ModelVersion, split: SplitName) -> pl.DataFrame:
    """One side of the period that a version was trained on.

    Raises:
        NotPublishedError: What is there is not what the version was trained on.
        StoreError: The version has no period, or the lake cannot be read.
    """
    period, digest = info.tags.get("period", ""), info.tags.get("data_digest", "")
    which = f"version {info.version} of {info.model}"
    if not period:
        problem = f"{which} has no tag of the period it was trained on; train it by `servicio-ml train`"
        raise StoreError(store.uri, f"{info.model}/", problem)
    manifest = read_manifest(store, info.model, period)
    if manifest.digest != digest:
        remedy = f"{period} was published anew since {which} was trained; train on what is there now"
        raise NotPublishedError(store.uri, f"{info.model}/{period}/{MANIFEST}", remedy)
    return read_split(store, manifest, split)


def match_seasons(
    reference: ReferenceProfile, matrix: Numbers, seasons: Integers, limit: int, random: np.random.Generator
) -> Integers:
    """Places, ascending, of rows whose seasons are mixed as those of a window are.

    Args:
        reference: Names the seasons.
        matrix: `[n, fields]` of rows to choose from.
        seasons: Rows of the window in each season; of the whole reference where it has no seasons.
        limit: Maximum number of rows; fewer where a season has not enough of them.
        random: Chooses.
    """
    order = random.permutation(len(matrix))
    season = _find_seasons(reference, matrix)[order]
    # the first season stands for months without a reference of their own, which all rows answer for
    pools = [order if i == 0 else order[season == i] for i in range(len(seasons))]
    shares = seasons / max(seasons.sum(), 1)
    mixed = [(share, pool) for share, pool in zip(shares, pools, strict=True) if share and len(pool)]
    room = min([float(limit), *(len(pool) / share for share, pool in mixed)])
    chosen = [pool[: int(share * room)] for share, pool in mixed]
    return np.unique(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)


def _find_seasons(reference: ReferenceProfile, matrix: Numbers) -> Integers:
    if len(reference.seasons) == 1:
        return np.zeros(len(matrix), dtype=np.int64)
    column = next(i for i, bins in enumerate(reference.features) if bins.name == reference.policy.season)
    places = {season: i for i, season in enumerate(reference.seasons)}
    return np.array([places.get(month, 0) for month in (ALL, *MONTHS)])[compute_months(matrix[:, column])]
