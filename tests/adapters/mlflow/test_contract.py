"""One contract for the in-memory tracker and registry and for MLflow's."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from fakes.registry import MemoryRegistry
from fakes.tracker import MemoryTracker
from servers import start_mlflow_server
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.domain.ports.registry import Registry
from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.errors import ForeignModelError, NoSuchModelError, RegistryError

TrackerAndRegistry = tuple[Tracker, Registry]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated database, made once: migrations take seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    connect("", folder)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a tracking server, which stores artifacts itself."""
    with start_mlflow_server(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture(
    params=[
        "memory",
        pytest.param("database", marks=pytest.mark.slow),
        pytest.param("server", marks=pytest.mark.slow),
    ]
)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TrackerAndRegistry]:
    ticks = count(1000)
    if request.param == "memory":
        yield (
            MemoryTracker(tmp_path / "runs", lambda: float(next(ticks))),
            MemoryRegistry(tmp_path / "models", lambda: float(next(ticks))),
        )
    else:
        found = request.getfixturevalue(request.param)
        connection = connect("", found) if request.param == "database" else connect(found, tmp_path)
        yield MlflowTracker(connection), MlflowRegistry(connection)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """An experiment and a model of its own for each test."""
    return "".join(letter for letter in request.node.name if letter.isalnum())


def test_a_run_is_found_again_with_all_that_was_logged(
    stores: TrackerAndRegistry, name: str, tmp_path: Path
) -> None:
    tracker, _ = stores
    (tmp_path / "note.txt").write_text("hello")
    with tracker.open_run(name, "first", tags={"step": "etl"}) as run:
        run.log_params({"rows": 3})
        run.log_metrics({"share": 0.5})
        run.set_tags({"more": "yes"})
        run.log_dataset("raw", digest="a" * 64, source="file", context="raw", rows=3)
        run.log_artifact(tmp_path / "note.txt", "notes")
    (found,) = tracker.find_runs(name, {"step": "etl"})
    assert (found.id, found.name, found.status) == (run.id, "first", "FINISHED")
    assert found.params == {"rows": "3"}
    assert found.metrics == {"share": 0.5}
    assert found.tags["more"] == "yes"
    assert found.ended is not None
    assert found.ended >= found.started
    assert tracker.read_artifact(run.id, "notes/note.txt") == b"hello"


def test_more_metrics_than_one_request_takes(stores: TrackerAndRegistry, name: str) -> None:
    tracker, _ = stores
    values = {f"mean_{number}": float(number) for number in range(1500)}
    with tracker.open_run(name, "wide", tags={"step": "etl"}) as run:
        run.log_metrics(values)
    assert tracker.find_runs(name, {"step": "etl"})[0].metrics == values


def test_runs_are_found_by_all_their_tags_the_newest_first(stores: TrackerAndRegistry, name: str) -> None:
    tracker, _ = stores
    for number in range(3):
        with tracker.open_run(name, f"run {number}", tags={"step": "etl", "odd": str(number % 2)}):
            pass
    assert [run.name for run in tracker.find_runs(name, {"step": "etl", "odd": "0"})] == ["run 2", "run 0"]
    assert tracker.find_runs(name, {"step": "train"}) == []
    assert tracker.find_runs("never heard of", {"step": "etl"}) == []


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_an_error_ends_the_run_and_goes_on(
    stores: TrackerAndRegistry, name: str, error: type[BaseException], status: str
) -> None:
    tracker, _ = stores
    with pytest.raises(error), tracker.open_run(name, "bad", tags={"step": "x"}):
        raise error
    assert tracker.find_runs(name, {"step": "x"})[0].status == status


def test_a_run_is_opened_again(stores: TrackerAndRegistry, name: str) -> None:
    tracker, _ = stores
    with pytest.raises(ValueError, match="first"), tracker.open_run(name, "once", tags={"step": "x"}) as run:
        raise ValueError("first")
    with tracker.open_run(name, "once", resume=run.id) as again:
        again.log_metrics({"x": 1})
    (found,) = tracker.find_runs(name, {"step": "x"})
    assert (found.status, found.metrics) == ("FINISHED", {"x": 1.0})


def test_a_run_that_stays_goes_on_for_the_next_process(stores: TrackerAndRegistry, name: str) -> None:
    tracker, _ = stores
    with tracker.open_run(name, "whole", tags={"step": "x"}, stays=True) as run:
        pass
    running = tracker.get_run(run.id)
    assert (running.status, running.ended) == ("RUNNING", None)
    with tracker.open_run(name, "whole", resume=run.id, stays=True) as again:
        again.set_tags({"more": "yes"})
    assert tracker.get_run(run.id).status == "RUNNING"
    with pytest.raises(ValueError, match="bad"), tracker.open_run(name, "whole", resume=run.id, stays=True):
        raise ValueError("bad")
    assert tracker.get_run(run.id).status == "FAILED"
    with tracker.open_run(name, "whole", resume=run.id):
        pass
    ended = tracker.get_run(run.id)
    assert (ended.status, ended.tags["more"], ended.started) == ("FINISHED", "yes", running.started)
    assert ended.ended is not None


def test_a_run_that_is_not_there_is_named(stores: TrackerAndRegistry) -> None:
    tracker, _ = stores
    with pytest.raises(RegistryError, match="never"):
        tracker.get_run("never")


def test_files_of_a_run_are_listed_and_read(stores: TrackerAndRegistry, name: str, tmp_path: Path) -> None:
    tracker, _ = stores
    inner = tmp_path / "pictures" / "inner"
    inner.mkdir(parents=True)
    (inner.parent / "a.png").write_bytes(b"abc")
    (inner / "b.png").write_bytes(b"defgh")
    with tracker.open_run(name, "drawn") as run:
        run.log_artifact(inner.parent, "figures")
        run.log_artifact(inner / "b.png")
    assert tracker.list_artifacts(run.id, "figures") == {"figures/a.png": 3, "figures/inner/b.png": 5}
    assert tracker.list_artifacts(run.id, "nothing") == {}
    assert tracker.read_artifact(run.id, "figures/inner/b.png") == b"defgh"
    with pytest.raises(RegistryError):
        tracker.read_artifact(run.id, "figures/c.png")


def test_reading_leaves_nothing_behind(
    stores: TrackerAndRegistry,
    name: str,
    tmp_path: Path,
    artifact_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracker, registry = stores
    (tmp_path / "note.txt").write_text("hello")
    with tracker.open_run(name, "fit") as run:
        run.log_artifact(tmp_path / "note.txt")
        registry.register(name, artifact_folder, run_id=run.id, tags={})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    assert tracker.read_artifact(run.id, "note.txt") == b"hello"
    assert registry.read(name, 1, "card.md") == (artifact_folder / "card.md").read_bytes()
    with pytest.raises(RegistryError):
        registry.read(name, 1, "nothing.md")
    with pytest.raises(NoSuchModelError, match="version 7"):
        registry.read(name, 7, "card.md")
    assert list(scratch.iterdir()) == []


def test_a_deleted_run_is_gone_with_its_artifacts(
    stores: TrackerAndRegistry, name: str, tmp_path: Path
) -> None:
    tracker, _ = stores
    (tmp_path / "note.txt").write_text("hello")
    runs = []
    for _ in range(2):
        with tracker.open_run(name, "run", tags={"step": "x"}) as run:
            run.log_artifact(tmp_path / "note.txt")
        runs.append(run.id)
    gone, kept = runs
    tracker.delete_run(gone)
    tracker.delete_run(gone)
    assert [run.id for run in tracker.find_runs(name, {"step": "x"})] == [kept]
    with pytest.raises(RegistryError):
        tracker.get_run(gone)
    with pytest.raises(RegistryError):
        tracker.read_artifact(gone, "note.txt")
    assert tracker.read_artifact(kept, "note.txt") == b"hello"


def test_a_deleted_version_is_gone_with_its_aliases(
    stores: TrackerAndRegistry, name: str, artifact_folder: Path
) -> None:
    tracker, registry = stores
    with tracker.open_run(name, "fit") as run:
        for _ in range(2):
            registry.register(name, artifact_folder, run_id=run.id, tags={})
    registry.set_alias(name, "knn", 2)
    registry.set_alias(name, "champion", 1)
    registry.delete(name, 2)
    registry.delete(name, 2)
    registry.delete(name, 7)
    registry.delete("never heard of", 1)
    assert [(each.version, each.aliases) for each in registry.list_versions(name)] == [(1, ("champion",))]
    assert registry.resolve(name, "knn") is None
    for call in (registry.get_version, registry.download):
        with pytest.raises(NoSuchModelError, match="version 2"):
            call(name, 2)
    assert list(registry.download(name, 1).iterdir())
    with tracker.open_run(name, "fit") as run:
        made = registry.register(name, artifact_folder, run_id=run.id, tags={})
    assert made.version != 1


def test_versions_and_aliases(stores: TrackerAndRegistry, name: str, artifact_folder: Path) -> None:
    tracker, registry = stores
    assert registry.resolve(name, "champion") is None
    assert registry.list_versions(name) == []
    with tracker.open_run(name, "fit") as run:
        first = registry.register(name, artifact_folder, run_id=run.id, tags={"candidate": "knn"})
        second = registry.register(name, artifact_folder, run_id=run.id, tags={"candidate": "svm"})
    assert (first.version, second.version) == (1, 2)
    registry.set_alias(name, "champion", 1)
    registry.set_alias(name, "knn", 1)
    registry.set_alias(name, "champion", 2)
    champion = registry.resolve(name, "champion")
    assert champion is not None
    assert (champion.version, champion.run_id, champion.tags["candidate"]) == (2, run.id, "svm")
    assert [(each.version, each.aliases) for each in registry.list_versions(name)] == [
        (2, ("champion",)),
        (1, ("knn",)),
    ]
    assert registry.get_version(name, 1).tags["candidate"] == "knn"
    assert registry.resolve(name, "challenger") is None


def test_a_download_is_the_artifact_as_it_was(
    stores: TrackerAndRegistry, name: str, artifact_folder: Path
) -> None:
    tracker, registry = stores
    with tracker.open_run(name, "fit") as run:
        registry.register(name, artifact_folder, run_id=run.id, tags={})
    folder = registry.download(name, 1)
    expected = {path.name: path.read_bytes() for path in artifact_folder.iterdir()}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == expected


def test_a_version_that_is_not_there_is_named(stores: TrackerAndRegistry, name: str) -> None:
    _, registry = stores
    for call in (
        lambda: registry.get_version(name, 7),
        lambda: registry.set_alias(name, "champion", 7),
        lambda: registry.download(name, 7),
    ):
        with pytest.raises(NoSuchModelError, match="version 7"):
            call()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9", "127.0.0.1:9"),
        ("mlruns", "must be"),
        ("sqlite:///{folder}/file/mlflow.db", "file/mlflow.db"),
    ],
    ids=["refused", "no address", "a file for a folder"],
)
def test_an_unreachable_mlflow_is_named(url: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RegistryError, match=said) as caught:
        connect(url.format(folder=tmp_path), tmp_path)
    assert "SERVICIO_ML_MLFLOW_URL" in str(caught.value)


@pytest.mark.slow
def test_the_registered_model_is_an_mlflow_model_without_a_pickle(
    database: Path, artifact_folder: Path
) -> None:
    connection = connect("", database)
    with MlflowTracker(connection).open_run("flavour", "fit") as run:
        registry = MlflowRegistry(connection)
        registry.register("flavour", artifact_folder, run_id=run.id, tags={})
    registry.set_alias("flavour", "champion", 1)
    model = mlflow.pyfunc.load_model("models:/flavour@champion")
    record = {"day": "2020-01-31", "size": None, "weight": 0.5, "colour": "red"}
    answer = model.predict(pd.DataFrame([record]))
    assert set(answer.columns) == {"prediction", "probability_no", "probability_yes"}
    assert answer["probability_no"][0] + answer["probability_yes"][0] == pytest.approx(1)
    required = {column.name for column in model.metadata.signature.inputs if column.required}
    assert required == {"day", "weight"}
    folder = Path(mlflow.artifacts.download_artifacts("models:/flavour/1"))
    assert not [path for path in folder.rglob("*") if path.suffix in {".pkl", ".joblib", ".cloudpickle"}]


@pytest.mark.slow
def test_a_full_disk_is_said_to_be_full(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = MlflowTracker(connect("", database))
    (tmp_path / "note.txt").write_text("hello")

    def raise_full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with tracker.open_run("full", "run") as run:
        with monkeypatch.context() as patch:
            patch.setattr(
                "mlflow.store.artifact.local_artifact_repo.LocalArtifactRepository.log_artifact", raise_full
            )
            with pytest.raises(RegistryError, match="the disk is full; free some space"):
                run.log_artifact(tmp_path / "note.txt")
        run.log_artifact(tmp_path / "note.txt")
    assert tracker.read_artifact(run.id, "note.txt") == b"hello"


@pytest.mark.slow
def test_processes_that_make_a_new_database_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from servicio_ml.adapters.mlflow import MlflowTracker, connect\n"
        "MlflowTracker(connect('', Path(sys.argv[1]))).find_runs('rain', {})"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "state")]
    started = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    errors = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], errors


@pytest.mark.slow
def test_a_model_of_another_origin_is_named_for_what_it_is(database: Path, tmp_path: Path) -> None:
    mlflow.set_tracking_uri(connect("", database).url)
    folder = tmp_path / "theirs"
    folder.mkdir()
    foreign = mlflow.models.Model()
    foreign.add_flavor("sklearn", pickled_model="model.pkl")
    foreign.save(str(folder / "MLmodel"))
    registry = MlflowRegistry(connect("", database))
    client = mlflow.MlflowClient()
    client.create_registered_model("theirs")
    client.create_model_version("theirs", source=folder.as_uri())
    with pytest.raises(ForeignModelError, match=r"version 1 is an MLflow model \(sklearn\) that"):
        registry.download("theirs", 1)
