from pathlib import Path

import numpy as np
import pytest

from problems import SCHEMA, rows
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.domain.ports import ModelVersion
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import NotPublishedError, StoreError
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.profile import Profile, Unseen, months, profile
from servicio_ml.pipeline.reference import read_rows, same_seasons
from worlds import Place

RANDOM = np.random.default_rng(0)
MATRIX = Encoder(SCHEMA).frame(rows(Task.BINARY, 4000))


def reference(season: str) -> Profile:
    unseen = Unseen(
        rows=np.arange(len(MATRIX)), shown=np.linspace(0, 1, len(MATRIX)), classes=(),
        performance=lambda _: {"accuracy": 0.9, "f1_macro": 0.8},
    )  # fmt: skip
    return profile(SCHEMA, MATRIX, DriftPolicy(season=season, season_rows=300), unseen)


def test_seasons_are_mixed_as_those_of_the_window() -> None:
    known = reference("day")
    wanted = np.zeros(len(known.seasons), dtype=np.int64)
    names = list(known.seasons)
    wanted[names.index("03")], wanted[names.index("07")] = 300, 100
    places = same_seasons(known, MATRIX, wanted, 200, RANDOM)
    found = np.bincount(months(MATRIX[places, 0]), minlength=13)
    assert (found[3], found[7], found.sum()) == (150, 50, 200)
    assert (np.diff(places) > 0).all()


def test_the_scarcest_season_sets_the_size() -> None:
    known = reference("day")
    wanted = np.zeros(len(known.seasons), dtype=np.int64)
    wanted[list(known.seasons).index("03")] = 5
    places = same_seasons(known, MATRIX, wanted, 10_000, RANDOM)
    assert len(places) == (months(MATRIX[:, 0]) == 3).sum()


def test_a_month_without_a_reference_of_its_own_is_answered_for_by_all() -> None:
    known = reference("day")
    wanted = np.zeros(len(known.seasons), dtype=np.int64)
    wanted[0] = 50
    found = months(MATRIX[same_seasons(known, MATRIX, wanted, 2000, RANDOM), 0])
    assert len(np.unique(found)) == 12


def test_without_seasons_any_rows_are_taken() -> None:
    known = reference("")
    assert len(same_seasons(known, MATRIX, np.array([7]), 100, RANDOM)) == 100
    assert len(same_seasons(known, MATRIX, np.array([7]), 10_000, RANDOM)) == len(MATRIX)
    assert not len(same_seasons(known, MATRIX[:0], np.array([7]), 100, RANDOM))


def version(**tags: str) -> ModelVersion:
    return ModelVersion(model="small", version=4, run_id="run", created=0, tags=tags)


def test_rows_of_the_version_s_own_period(tmp_path: Path) -> None:
    place = Place(tmp_path)
    old = place.publish(Task.BINARY, period="2020-01", seed=1, count=50)
    place.publish(Task.BINARY, period="2020-02", seed=2, count=60)
    info = version(period="2020-01", data_digest=old.digest)
    assert len(read_rows(place.store, info, "train")) == 50
    assert len(read_rows(place.store, info, "test")) == 50


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with pytest.raises(StoreError, match="version 4 of small does not tell"):
        read_rows(place.store, version(), "train")
    with pytest.raises(NotPublishedError, match="servicio-ml etl small --period 2020-01"):
        read_rows(place.store, version(period="2020-01", data_digest="0"), "train")
    place.publish(Task.BINARY)
    with pytest.raises(NotPublishedError, match="published anew since version 4 of small was trained"):
        read_rows(place.store, version(period="2020-01", data_digest="1"), "train")
