"""The holder of the models."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services import Bench, bench
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
from servicio_ml.errors import NoSuchModelError, NotReadyError, RegistryError
from servicio_ml.features.artifact import GOLDEN
from servicio_ml.serving.models import CANARY_NOTE, SHADOW_NOTE


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> Bench:
    return bench(tmp_path, artifact_folder)


@pytest.fixture
def broken(tmp_path: Path, artifact_folder: Path) -> Path:
    """An artifact that does not answer its golden rows as it says."""
    folder = tmp_path / "broken"
    shutil.copytree(artifact_folder, folder)
    golden = json.loads((folder / GOLDEN).read_text())
    golden["answers"][0] = {"value": 1.0, "probabilities": [0.0, 1.0]}
    (folder / GOLDEN).write_text(json.dumps(golden))
    return folder


def lose(made: Bench, monkeypatch: pytest.MonkeyPatch, *methods: str) -> Callable[[], None]:
    """Cut the registry off; gives what brings it back."""

    def refuse(*_: object) -> None:
        raise RegistryError("memory", "unreachable")

    for method in methods:
        monkeypatch.setattr(made.registry, method, refuse)
    return monkeypatch.undo


def test_a_new_champion_answers_after_a_look(made: Bench, artifact_folder: Path) -> None:
    assert made.service.models.champion("small").version == 1
    made.promote(artifact_folder)
    assert made.service.models.champion("small").version == 2


def test_a_champion_that_misses_its_golden_rows_does_not_answer(made: Bench, broken: Path) -> None:
    made.promote(broken)
    known = made.service.models.state("small")
    assert known.champion is not None
    assert known.champion.version == 1
    assert "golden row 0" in known.problem
    assert made.metrics.get_sample_value("servicio_ml_model_load_failures_total", {"model": "small"}) == 1
    made.registry.point("small", CHAMPION, 1)
    made.service.models.refresh()
    assert not made.service.models.state("small").problem


def test_models_answer_while_the_registry_is_away(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    back = lose(made, monkeypatch, "models")
    made.service.models.refresh()
    assert made.service.models.ready
    assert "unreachable" in made.service.models.problem
    back()
    made.service.models.refresh()
    assert not made.service.models.problem


def test_a_model_answers_while_its_versions_cannot_be_listed(
    made: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(made, monkeypatch, "versions")
    made.service.models.refresh()
    known = made.service.models.state("small")
    assert known.champion is not None
    assert "unreachable" in known.problem


def test_it_waits_for_a_registry_that_is_away_at_the_start(
    tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bench(tmp_path, None)
    back = lose(made, monkeypatch, "models")
    made.service.models.refresh()
    assert not made.service.models.ready
    back()
    made.promote(artifact_folder)
    assert made.service.models.ready


def test_ready_means_every_named_model(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder, names=("small", "other"))
    assert not made.service.models.ready
    with pytest.raises(NotReadyError, match="other"):
        made.service.models.champion("other")


def test_a_model_without_champion_says_what_to_do(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, None)
    made.registry.register("small", artifact_folder, run_id="run", tags={})
    made.service.models.refresh()
    with pytest.raises(NotReadyError, match="servicio-ml promote small"):
        made.service.models.champion("small")


def test_an_unknown_model_names_those_that_are_served(made: Bench) -> None:
    with pytest.raises(NoSuchModelError, match="served are small"):
        made.service.models.champion("large")


@pytest.mark.parametrize("wanted", ["tree", "2"])
def test_aliases_and_versions_are_loaded_once(made: Bench, artifact_folder: Path, wanted: str) -> None:
    made.promote(artifact_folder, "tree")
    models = made.service.models
    assert models.loaded("small", wanted) is None
    obtained = models.obtain("small", wanted)
    assert obtained.version == 2
    assert models.loaded("small", wanted) is obtained
    assert models.obtain("small", wanted) is obtained


def test_the_champion_is_loaded_already(made: Bench) -> None:
    assert made.service.models.loaded("small", CHAMPION) is made.service.models.champion("small")


@pytest.mark.parametrize("wanted", ["nobody", "7"])
def test_an_unknown_alias_or_version_is_named(made: Bench, wanted: str) -> None:
    with pytest.raises(NoSuchModelError, match=f"version or alias '{wanted}'"):
        made.service.models.obtain("small", wanted)


def test_only_so_many_other_versions_are_kept(made: Bench, artifact_folder: Path) -> None:
    for name in ("a", "b", "c"):
        made.promote(artifact_folder, name)
        made.service.models.obtain("small", name)
    assert made.service.models.loaded("small", "a") is None
    assert made.service.models.loaded("small", "c") is not None


def test_the_version_asked_for_last_is_kept_longest(made: Bench, artifact_folder: Path) -> None:
    for name in ("a", "b"):
        made.promote(artifact_folder, name)
        made.service.models.obtain("small", name)
    assert made.service.models.loaded("small", "a") is not None
    made.promote(artifact_folder, "c")
    made.service.models.obtain("small", "c")
    assert made.service.models.loaded("small", "a") is not None
    assert made.service.models.loaded("small", "b") is None


def test_the_challenger_is_loaded_while_it_has_traffic(made: Bench, artifact_folder: Path) -> None:
    made.promote(artifact_folder, CHALLENGER)
    assert made.service.models.state("small").challenger is None
    made.registry.note("small", SHADOW_NOTE, "0.5")
    made.service.models.refresh()
    challenger = made.service.models.state("small").challenger
    assert challenger is not None
    assert challenger.version == 2
    made.registry.note("small", SHADOW_NOTE, "0")
    made.service.models.refresh()
    assert made.service.models.state("small").challenger is None


@pytest.mark.parametrize("note", ["", "many", "2", "nan"])
def test_a_wrong_note_about_traffic_leaves_the_setting(made: Bench, note: str) -> None:
    made.registry.note("small", CANARY_NOTE, note)
    made.service.models.refresh()
    assert made.service.models.state("small").traffic.canary == 0


def test_looking_is_cheap_when_nothing_changed(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made.service.models.champion("small")
    lose(made, monkeypatch, "download")
    made.service.models.refresh()
    assert made.service.models.champion("small") is before


def test_whatever_loading_raises_the_old_champion_answers(
    made: Bench, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(made.registry, "download", fail)
    made.promote(artifact_folder)
    known = made.service.models.state("small")
    assert known.champion is not None
    assert (known.champion.version, known.problem) == (1, "no room")


def test_it_is_ready_when_all_were_looked_at(
    tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bench(tmp_path, None)
    for name in ("first", "second"):
        made.registry.register(name, artifact_folder, run_id="run", tags={})
        made.registry.point(name, CHAMPION, 1)
    models, download, seen = made.service.models, made.registry.download, []

    def watched(model: str, version: int) -> Path:
        seen.append((sorted(models.known), models.ready))
        return download(model, version)

    monkeypatch.setattr(made.registry, "download", watched)
    models.refresh()
    assert seen == [(["first", "second"], False)] * 2
    assert models.ready
