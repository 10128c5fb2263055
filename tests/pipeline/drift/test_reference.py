from pathlib import Path

import numpy as np
import pytest

from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import NotPublishedError, StoreError
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.profile import ReferenceProfile, UnseenRows, build_profile, compute_months
from servicio_ml.pipeline.drift.reference import match_seasons, read_rows
from small_use_case import SCHEMA, generate_rows
from training_fixture import TrainingFixture

RANDOM = np.random.default_rng(0)
MATRIX = Encoder(SCHEMA).encode_frame(generate_rows(Task.BINARY, 4000))


def build_reference(season: str) -> ReferenceProfile:
    unseen = UnseenRows(
        rows=np.arange(len(MATRIX)), binned_values=np.linspace(0, 1, len(MATRIX)), classes=(),
        performance=lambda _: {"accuracy": 0.9, "f1_macro": 0.8},
    )  # fmt: skip
    return build_profile(SCHEMA, MATRIX, DriftPolicy(season=season, season_rows=300), unseen)


def test_seasons_are_mixed_as_those_of_the_window() -> None:
    known = build_reference("day")
    wanted = np.zeros(len(known.seasons), dtype=np.int64)
    names = list(known.seasons)
    wanted[names.index("03")], wanted[names.index("07")] = 300, 100
    places = match_seasons(known, MATRIX, wanted, 200, RANDOM)
    found = np.bincount(compute_months(MATRIX[places, 0]), minlength=13)
    assert (found[3], found[7], found.sum()) == (150, 50, 200)
    assert (np.diff(places) > 0).all()


def test_the_scarcest_season_sets_the_size() -> None:
    known = build_reference("day")
    wanted = np.zeros(len(known.seasons), dtype=np.int64)
    wanted[list(known.seasons).index("03")] = 5
    places = match_seasons(known, MATRIX, wanted, 10_000, RANDOM)
    assert len(places) == (compute_months(MATRIX[:, 0]) == 3).sum()


def test_a_month_without_a_reference_of_its_own_is_answered_for_by_all() -> None:
    known = build_reference("day")
    wanted = np.zeros(len(known.seasons), dtype=np.int64)
    wanted[0] = 50
    found = compute_months(MATRIX[match_seasons(known, MATRIX, wanted, 2000, RANDOM), 0])
    assert len(np.unique(found)) == 12


def test_without_seasons_any_rows_are_taken() -> None:
    known = build_reference("")
    assert len(match_seasons(known, MATRIX, np.array([7]), 100, RANDOM)) == 100
    assert len(match_seasons(known, MATRIX, np.array([7]), 10_000, RANDOM)) == len(MATRIX)
    assert not len(match_seasons(known, MATRIX[:0], np.array([7]), 100, RANDOM))


def build_version(**tags: str) -> ModelVersion:
    return ModelVersion(model="small", version=4, run_id="run", created=0, tags=tags)


def test_rows_of_the_version_s_own_period(tmp_path: Path) -> None:
    place = TrainingFixture(tmp_path)
    old = place.publish(Task.BINARY, period="2020-01", seed=1, count=50)
    place.publish(Task.BINARY, period="2020-02", seed=2, count=60)
    info = build_version(period="2020-01", data_digest=old.digest)
    assert len(read_rows(place.store, info, "train")) == 50
    assert len(read_rows(place.store, info, "test")) == 50


def test_what_is_missing_is_reported(tmp_path: Path) -> None:
    place = TrainingFixture(tmp_path)
    with pytest.raises(StoreError, match="version 4 of small has no tag of the period"):
        read_rows(place.store, build_version(), "train")
    with pytest.raises(NotPublishedError, match="servicio-ml etl small --period 2020-01"):
        read_rows(place.store, build_version(period="2020-01", data_digest="0"), "train")
    place.publish(Task.BINARY)
    with pytest.raises(NotPublishedError, match="published anew since version 4 of small was trained"):
        read_rows(place.store, build_version(period="2020-01", data_digest="1"), "train")
