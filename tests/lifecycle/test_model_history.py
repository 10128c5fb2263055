"""The history of a model shows its training and promotion."""

from pathlib import Path

import pytest

from fakes.decision_log import MemoryDecisionLog
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.search import Candidate, Integer
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import NoSuchModelError
from servicio_ml.lifecycle import model_history as module
from servicio_ml.lifecycle.model_history import SIGNATURE, ModelHistory
from servicio_ml.serving.rest.champion_documents import build_candidates_state, build_decision_state
from small_use_case import build_use_case
from training_fixture import TrainingFixture

NO_OTHERS = MemoryDecisionLog().hold_champion

SPACE = {"max_depth": Integer(low=2, high=5)}
TREES = (
    Candidate(
        name="decision_tree", family="decision_tree", space=SPACE, start={"max_depth": 4},
        max_latency_seconds=1.0,
    ),
    Candidate(name="stump", family="decision_tree", fixed={"max_depth": 1}, max_latency_seconds=1.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> TrainingFixture:
    """Two candidates trained, the winner promoted."""
    made = TrainingFixture(tmp_path_factory.mktemp("place"))
    use_case = build_use_case(Task.BINARY, *TREES)
    manifest = made.publish(Task.BINARY)
    made.train(use_case, manifest)
    made.promote(use_case, manifest)
    return made


@pytest.fixture
def records(place: TrainingFixture) -> ModelHistory:
    return ModelHistory(
        place.tracker, place.registry, NoStats(), place.clock, MemoryDecisionLog().hold_champion
    )


def test_decisions_come_with_their_evidence(records: ModelHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    found = records.list_decisions("small")
    assert found.with_evidence == 1
    assert {gate["name"] for gate in found.decisions[0].evidence["gates"]} >= {"floor", "latency"}
    shown = build_decision_state(found.decisions[0]).evidence
    assert shown is not None
    assert shown.sample_weight == ""
    assert records.list_decisions("small") == found
    monkeypatch.setattr(module, "MAX_DECISIONS_WITH_EVIDENCE", 0)
    assert records.list_decisions("small").decisions[0].evidence == {}


def test_candidates_are_those_of_the_latest_training(records: ModelHistory, place: TrainingFixture) -> None:
    found = records.get_candidates("small")
    assert (found.period, found.rows) == ("2020-01", {"train": 400, "test": 400})
    assert build_candidates_state("small", found).sample_weight == ""
    assert {row["candidate"] for row in found.table} == {"decision_tree", "stump"}
    assert found.table[0]["version"] == _get_champion(place)
    assert all(row["trials"] >= 1 for row in found.table)
    with pytest.raises(NoSuchModelError, match="servicio-ml train other"):
        records.get_candidates("other")


def test_pictures_of_a_version_and_of_its_training(records: ModelHistory, place: TrainingFixture) -> None:
    champion = _get_champion(place)
    names = records.list_pictures("small", champion)
    assert {"confusion_matrix", "roc", "calibration", "feature_correlation", "feature_importance"} <= {*names}
    for name in names:
        assert records.get_picture("small", champion, name).startswith(SIGNATURE)
    [other] = {each.version for each in place.registry.list_versions("small")} - {
        champion, *_list_versions(place, records.get_candidates("small").table[0]["candidate"])
    }  # fmt: skip
    others = records.list_pictures("small", other)
    # the importance is the winner's
    assert "feature_correlation" in others
    assert "feature_importance" not in others


@pytest.mark.parametrize(
    "name", ["../../plan.json", "..%2fplan", "figures/roc", "roc.png", "", "nothing", "/etc/passwd", "roc\0"]
)
def test_only_names_of_the_list_are_pictures(
    records: ModelHistory, place: TrainingFixture, name: str
) -> None:
    with pytest.raises(NoSuchModelError, match="has no picture"):
        records.get_picture("small", _get_champion(place), name)


def test_a_version_that_is_not_there_is_named(records: ModelHistory) -> None:
    with pytest.raises(NoSuchModelError, match="version 77"):
        records.list_pictures("small", 77)
    with pytest.raises(NoSuchModelError, match="version 77"):
        records.get_card("small", 77)


def test_what_is_too_large_or_no_png_is_no_picture(place: TrainingFixture, tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "huge.png").write_bytes(SIGNATURE + bytes(module.MAX_PICTURE_BYTES))
    (tmp_path / "figures" / "page.png").write_bytes(b"<script>")
    (tmp_path / "figures" / "note.txt").write_bytes(b"note")
    (tmp_path / "artifact").mkdir()
    with place.tracker.open_run("odd", "fit") as run:
        run.log_artifact(tmp_path / "figures", "figures")
    place.registry.register("odd", tmp_path / "artifact", run_id=run.id, tags={})
    records = ModelHistory(
        place.tracker, place.registry, NoStats(), place.clock, MemoryDecisionLog().hold_champion
    )
    assert records.list_pictures("odd", 1) == ["page"]
    with pytest.raises(NoSuchModelError, match="no PNG"):
        records.get_picture("odd", 1, "page")


def test_the_card_of_any_version(records: ModelHistory, place: TrainingFixture) -> None:
    for each in place.registry.list_versions("small"):
        assert records.get_card("small", each.version).startswith("# ")


def _get_champion(place: TrainingFixture) -> int:
    found = place.registry.resolve("small", "champion")
    assert found is not None
    return found.version


def _list_versions(place: TrainingFixture, candidate: str) -> set[int]:
    return {
        each.version for each in place.registry.list_versions("small") if each.tags["candidate"] == candidate
    }
