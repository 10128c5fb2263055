"""docs/backup.md: its commands, as they stand there, on a platform of each kind."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from compose_stores import Stores, compose_stores
from documents import ROOT, blocks, run

PAGE = ROOT / "docs" / "backup.md"
COUNT = "SELECT count(*) FROM kept"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What of the repository the commands need, with a state of its own."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("Makefile", "deploy", "servicio-ml", "docker-compose.yaml"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def _blocks(commands: str) -> list[str]:
    found = [each for each in blocks(PAGE, "sh") if commands in each]
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
    for script in _blocks("monday"):
        told = run(script, clone)
        assert told.returncode == 0, told.stderr
        (clone / "var" / "lake" / "train.parquet").write_text("changed")
    told = run(_blocks("restore FROM=../backups/monday")[0], clone)
    assert told.returncode == 0, told.stderr
    assert (clone / "var" / "lake" / "train.parquet").read_text() == "rows"


@pytest.mark.parametrize("script", ["make backup", "make restore"])
def test_a_folder_must_be_named(clone: Path, script: str) -> None:
    told = run(script, clone)
    assert told.returncode
    assert f"{script}: say " in told.stderr


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    with compose_stores(tmp_path) as made:
        made.make()
        yield made


@pytest.mark.slow
def test_the_production_stack(clone: Path, stores: Stores) -> None:
    stores.sql("servicio_ml", "CREATE TABLE kept (id int)")
    stores.put("data", "lake/train.parquet", b"rows")
    backup, restore = _blocks("tuesday")
    ours = ("PG", "AWS", "SERVICIO_ML")
    settings = {name: value for name, value in stores.variables.items() if name.startswith(ours)}
    # this environment's programs come first on the path that `run` gives
    told = run(f"PATH={stores.variables['PATH']}\n{backup}", clone, **settings)
    assert told.returncode == 0, told.stderr
    stores.make()
    told = run(f"PATH={stores.variables['PATH']}\n{restore}", clone, **settings)
    assert told.returncode == 0, told.stderr
    assert stores.sql("servicio_ml", COUNT) == [(0,)]
    assert stores.objects("data") == {"lake/train.parquet": b"rows"}
    assert shutil.which("docker", path=stores.variables["PATH"])
