"""The holder of the models."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services import ServiceFixture, create_service
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
from servicio_ml.errors import ForeignModelError, NoSuchModelError, NotReadyError, RegistryError
from servicio_ml.features.artifact import GOLDEN
from servicio_ml.lifecycle.decision_history import build_tenures
from servicio_ml.serving.models.model_status import CANARY_TAG, SHADOW_TAG


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> ServiceFixture:
    return create_service(tmp_path, artifact_folder)


@pytest.fixture
def broken(tmp_path: Path, artifact_folder: Path) -> Path:
    """An artifact that does not answer its golden rows as it says."""
    folder = tmp_path / "broken"
    shutil.copytree(artifact_folder, folder)
    golden = json.loads((folder / GOLDEN).read_text())
    golden["answers"][0] = {"value": 1.0, "probabilities": [0.0, 1.0]}
    (folder / GOLDEN).write_text(json.dumps(golden))
    return folder


def cut_off_registry(
    made: ServiceFixture, monkeypatch: pytest.MonkeyPatch, *methods: str
) -> Callable[[], None]:
    """Cut the registry off; gives what brings it back."""

    def refuse(*_: object) -> None:
        raise RegistryError("memory", "unreachable")

    for method in methods:
        monkeypatch.setattr(made.registry, method, refuse)
    return monkeypatch.undo


def test_a_new_champion_answers_after_a_look(made: ServiceFixture, artifact_folder: Path) -> None:
    assert made.service.models.get_champion("small").version == 1
    made.promote(artifact_folder)
    assert made.service.models.get_champion("small").version == 2


def test_a_champion_that_misses_its_golden_rows_does_not_answer(made: ServiceFixture, broken: Path) -> None:
    made.promote(broken)
    known = made.service.models.get_status("small")
    assert known.champion is not None
    assert known.champion.version == 1
    assert "golden row 0" in known.error
    assert made.metrics.get_sample_value("servicio_ml_model_load_failures_total", {"model": "small"}) == 1
    made.registry.set_alias("small", CHAMPION, 1)
    made.service.models.refresh()
    assert not made.service.models.get_status("small").error


def test_a_champion_of_another_origin_is_fetched_once_and_stands_in_the_history(
    made: ServiceFixture,
    artifact_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made.registry.register("small", artifact_folder, run_id="r2", tags={})
    fetched: list[int] = []
    download = made.registry.download

    def refuse(model: str, version: int) -> Path:
        fetched.append(version)
        if version == 2:
            raise ForeignModelError(model, version, "an MLflow model (sklearn)")
        return download(model, version)

    monkeypatch.setattr(made.registry, "download", refuse)
    made.registry.set_alias("small", CHAMPION, 2)
    for _ in range(3):
        made.service.models.refresh()
    status = made.service.models.get_status("small")
    assert fetched == [2]
    assert status.champion is not None
    assert status.champion.version == 1
    assert "version 2 is an MLflow model (sklearn) that servicio-ml did not make" in status.error
    assert "`servicio-ml import small --model models:/small/2 --data FILE`" in status.error
    assert len(caplog.records) == 1
    assert made.metrics.get_sample_value("servicio_ml_model_load_failures_total", {"model": "small"}) == 1
    assert [each.version for each in build_tenures([], status.find_alias(CHAMPION))] == [2]

    made.registry.set_alias("small", CHAMPION, 1)
    made.service.models.refresh()
    assert not made.service.models.get_status("small").error


def test_models_answer_while_the_registry_is_away(
    made: ServiceFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = cut_off_registry(made, monkeypatch, "list_models")
    made.service.models.refresh()
    assert made.service.models.is_ready
    assert "unreachable" in made.service.models.registry_error
    back()
    made.service.models.refresh()
    assert not made.service.models.registry_error


def test_a_model_answers_while_its_versions_cannot_be_listed(
    made: ServiceFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off_registry(made, monkeypatch, "list_versions")
    made.service.models.refresh()
    known = made.service.models.get_status("small")
    assert known.champion is not None
    assert "unreachable" in known.error


def test_it_waits_for_a_registry_that_is_away_at_the_start(
    tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create_service(tmp_path, None)
    back = cut_off_registry(made, monkeypatch, "list_models")
    made.service.models.refresh()
    assert not made.service.models.is_ready
    back()
    made.promote(artifact_folder)
    assert made.service.models.is_ready


def test_ready_means_every_named_model(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder, names=("small", "other"))
    assert not made.service.models.is_ready
    with pytest.raises(NotReadyError, match="other"):
        made.service.models.get_champion("other")


def test_a_model_without_champion_says_what_to_do(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, None)
    made.registry.register("small", artifact_folder, run_id="run", tags={})
    made.service.models.refresh()
    with pytest.raises(NotReadyError, match="servicio-ml promote small"):
        made.service.models.get_champion("small")


def test_an_unknown_model_names_those_that_are_served(made: ServiceFixture) -> None:
    with pytest.raises(NoSuchModelError, match="served are small"):
        made.service.models.get_champion("large")


@pytest.mark.parametrize("wanted", ["tree", "2"])
def test_aliases_and_versions_are_loaded_once(
    made: ServiceFixture, artifact_folder: Path, wanted: str
) -> None:
    made.promote(artifact_folder, "tree")
    models = made.service.models
    assert models.get_loaded("small", wanted) is None
    loaded = models.get_or_load("small", wanted)
    assert loaded.version == 2
    assert models.get_loaded("small", wanted) is loaded
    assert models.get_or_load("small", wanted) is loaded


def test_the_champion_is_loaded_already(made: ServiceFixture) -> None:
    assert made.service.models.get_loaded("small", CHAMPION) is made.service.models.get_champion("small")


@pytest.mark.parametrize("wanted", ["nobody", "7"])
def test_an_unknown_alias_or_version_is_named(made: ServiceFixture, wanted: str) -> None:
    with pytest.raises(NoSuchModelError, match=f"version or alias '{wanted}'"):
        made.service.models.get_or_load("small", wanted)


def test_the_cache_of_other_versions_is_limited(made: ServiceFixture, artifact_folder: Path) -> None:
    for name in ("a", "b", "c"):
        made.promote(artifact_folder, name)
        made.service.models.get_or_load("small", name)
    assert made.service.models.get_loaded("small", "a") is None
    assert made.service.models.get_loaded("small", "c") is not None


def test_the_version_asked_for_last_is_kept_longest(made: ServiceFixture, artifact_folder: Path) -> None:
    for name in ("a", "b"):
        made.promote(artifact_folder, name)
        made.service.models.get_or_load("small", name)
    assert made.service.models.get_loaded("small", "a") is not None
    made.promote(artifact_folder, "c")
    made.service.models.get_or_load("small", "c")
    assert made.service.models.get_loaded("small", "a") is not None
    assert made.service.models.get_loaded("small", "b") is None


def test_the_challenger_is_loaded_while_it_has_traffic(made: ServiceFixture, artifact_folder: Path) -> None:
    made.promote(artifact_folder, CHALLENGER)
    assert made.service.models.get_status("small").challenger is None
    made.registry.set_model_tag("small", SHADOW_TAG, "0.5")
    made.service.models.refresh()
    challenger = made.service.models.get_status("small").challenger
    assert challenger is not None
    assert challenger.version == 2
    made.registry.set_model_tag("small", SHADOW_TAG, "0")
    made.service.models.refresh()
    assert made.service.models.get_status("small").challenger is None


@pytest.mark.parametrize("note", ["", "many", "2", "nan"])
def test_a_wrong_note_about_traffic_leaves_the_setting(made: ServiceFixture, note: str) -> None:
    made.registry.set_model_tag("small", CANARY_TAG, note)
    made.service.models.refresh()
    assert made.service.models.get_status("small").traffic.canary == 0


def test_looking_is_cheap_when_nothing_changed(made: ServiceFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made.service.models.get_champion("small")
    cut_off_registry(made, monkeypatch, "download")
    made.service.models.refresh()
    assert made.service.models.get_champion("small") is before


def test_whatever_loading_raises_the_old_champion_answers(
    made: ServiceFixture, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(made.registry, "download", fail)
    made.promote(artifact_folder)
    known = made.service.models.get_status("small")
    assert known.champion is not None
    assert (known.champion.version, known.error) == (1, "no room")


def test_it_is_ready_when_all_were_looked_at(
    tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create_service(tmp_path, None)
    for name in ("first", "second"):
        made.registry.register(name, artifact_folder, run_id="run", tags={})
        made.registry.set_alias(name, CHAMPION, 1)
    models, download, seen = made.service.models, made.registry.download, []

    def record_load(model: str, version: int) -> Path:
        seen.append((sorted(models.statuses), models.is_ready))
        return download(model, version)

    monkeypatch.setattr(made.registry, "download", record_load)
    models.refresh()
    assert seen == [(["first", "second"], False)] * 2
    assert models.is_ready
