"""What a training and its promotion leave, told of a model."""

from pathlib import Path

import pytest

from problems import small
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain import records as module
from servicio_ml.domain.records import SIGNATURE, Records
from servicio_ml.domain.search import Candidate, Integer
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import NoSuchModelError
from servicio_ml.pipeline.promote import promote
from worlds import Place

SPACE = {"max_depth": Integer(low=2, high=5)}
TREES = (
    Candidate(
        name="decision_tree", family="decision_tree", space=SPACE, start={"max_depth": 4},
        max_latency_seconds=1.0,
    ),
    Candidate(name="stump", family="decision_tree", fixed={"max_depth": 1}, max_latency_seconds=1.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two candidates trained, the winner promoted."""
    made = Place(tmp_path_factory.mktemp("place"))
    use_case = small(Task.BINARY, *TREES)
    manifest = made.publish(Task.BINARY)
    made.train(use_case, manifest)
    promote(use_case, manifest, made.store, made.court)
    return made


@pytest.fixture
def records(place: Place) -> Records:
    return Records(place.tracker, place.registry, NoStats(), place.clock)


def test_decisions_come_with_their_evidence(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    told = records.decisions("small")
    assert told.with_evidence == 1
    assert {gate["name"] for gate in told.decisions[0].evidence["gates"]} >= {"floor", "latency"}
    assert records.decisions("small") == told
    monkeypatch.setattr(module, "MOST_DECISIONS", 0)
    assert records.decisions("small").decisions[0].evidence == {}


def test_candidates_are_those_of_the_latest_training(records: Records, place: Place) -> None:
    found = records.candidates("small")
    assert (found.period, found.rows) == ("2020-01", {"train": 400, "test": 400})
    assert {row["candidate"] for row in found.table} == {"decision_tree", "stump"}
    assert found.table[0]["version"] == _champion(place)
    assert all(row["trials"] >= 1 for row in found.table)
    with pytest.raises(NoSuchModelError, match="servicio-ml train other"):
        records.candidates("other")


def test_pictures_of_a_version_and_of_its_training(records: Records, place: Place) -> None:
    champion = _champion(place)
    names = records.pictures("small", champion)
    assert {"confusion_matrix", "roc", "calibration", "feature_correlation", "feature_importance"} <= {*names}
    for name in names:
        assert records.picture("small", champion, name).startswith(SIGNATURE)
    [other] = {each.version for each in place.registry.versions("small")} - {
        champion, *_versions_of(place, records.candidates("small").table[0]["candidate"])
    }  # fmt: skip
    others = records.pictures("small", other)
    # the importance is the winner's
    assert "feature_correlation" in others
    assert "feature_importance" not in others


@pytest.mark.parametrize(
    "name", ["../../plan.json", "..%2fplan", "figures/roc", "roc.png", "", "nothing", "/etc/passwd", "roc\0"]
)
def test_only_names_of_the_list_are_pictures(records: Records, place: Place, name: str) -> None:
    with pytest.raises(NoSuchModelError, match="has no picture"):
        records.picture("small", _champion(place), name)


def test_a_version_that_is_not_there_is_named(records: Records) -> None:
    with pytest.raises(NoSuchModelError, match="version 77"):
        records.pictures("small", 77)
    with pytest.raises(NoSuchModelError, match="version 77"):
        records.card("small", 77)


def test_what_is_too_large_or_no_png_is_no_picture(place: Place, tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "huge.png").write_bytes(SIGNATURE + bytes(module.MOST_PICTURE_BYTES))
    (tmp_path / "figures" / "page.png").write_bytes(b"<script>")
    (tmp_path / "figures" / "note.txt").write_bytes(b"note")
    (tmp_path / "artifact").mkdir()
    with place.tracker.run("odd", "fit") as run:
        run.artifact(tmp_path / "figures", "figures")
    place.registry.register("odd", tmp_path / "artifact", run_id=run.id, tags={})
    records = Records(place.tracker, place.registry, NoStats(), place.clock)
    assert records.pictures("odd", 1) == ["page"]
    with pytest.raises(NoSuchModelError, match="no PNG"):
        records.picture("odd", 1, "page")


def test_the_card_of_any_version(records: Records, place: Place) -> None:
    for each in place.registry.versions("small"):
        assert records.card("small", each.version).startswith("# ")


def _champion(place: Place) -> int:
    found = place.registry.resolve("small", "champion")
    assert found is not None
    return found.version


def _versions_of(place: Place, candidate: str) -> set[int]:
    return {each.version for each in place.registry.versions("small") if each.tags["candidate"] == candidate}
