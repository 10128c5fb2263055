"""docs/backup.md: its commands, as they stand there, on a platform of each kind."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from compose_stores import ComposeStores, start_compose_stores
from documents import ROOT, extract_blocks, run_script

PAGE = ROOT / "docs" / "backup.md"
COUNT = "SELECT count(*) FROM kept"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy of the files that the commands need, with a state of its own."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("Makefile", "deploy", "servicio-ml", "docker-compose.yaml"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def _split_blocks(commands: str) -> list[str]:
    found = [each for each in extract_blocks(PAGE, "sh") if commands in each]
    assert found
    return found


def test_the_embedded_platform(clone: Path) -> None:
    (clone / "var" / "lake").mkdir(parents=True)
    (clone / "var" / "lake" / "train.parquet").write_text("rows")
    with closing(sqlite3.connect(clone / "var" / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE experiments (artifact_location TEXT)")
        for table, columns in (
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location, source"),
        ):
            connection.execute(f"CREATE TABLE {table} ({columns})")
    for script in _split_blocks("monday"):
        completed = run_script(script, clone)
        assert completed.returncode == 0, completed.stderr
        (clone / "var" / "lake" / "train.parquet").write_text("changed")
    completed = run_script(_split_blocks("restore FROM=../backups/monday")[0], clone)
    assert completed.returncode == 0, completed.stderr
    assert (clone / "var" / "lake" / "train.parquet").read_text() == "rows"


@pytest.mark.parametrize("script", ["make backup", "make restore"])
def test_a_folder_must_be_named(clone: Path, script: str) -> None:
    completed = run_script(script, clone)
    assert completed.returncode
    assert f"{script}: say " in completed.stderr


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[ComposeStores]:
    with start_compose_stores(tmp_path) as services:
        services.reset()
        yield services


@pytest.mark.slow
def test_the_production_stack(clone: Path, stores: ComposeStores) -> None:
    stores.execute("servicio_ml", "CREATE TABLE kept (id int)")
    stores.put("data", "lake/train.parquet", b"rows")
    use_case = stores.folders["use-cases"] / "rent.py"
    use_case.write_text("USE_CASE")
    backup, restore = _split_blocks("tuesday")
    ours = ("PG", "AWS", "SERVICIO_ML")
    settings = {name: value for name, value in stores.variables.items() if name.startswith(ours)}
    # this environment's programs come first on the path that `run` gives
    completed = run_script(f"PATH={stores.variables['PATH']}\n{backup}", clone, **settings)
    assert completed.returncode == 0, completed.stderr
    stores.reset()
    completed = run_script(f"PATH={stores.variables['PATH']}\n{restore}", clone, **settings)
    assert completed.returncode == 0, completed.stderr
    assert stores.execute("servicio_ml", COUNT) == [(0,)]
    assert stores.read_objects("data") == {"lake/train.parquet": b"rows"}
    assert use_case.read_text() == "USE_CASE"
    assert shutil.which("docker", path=stores.variables["PATH"])
