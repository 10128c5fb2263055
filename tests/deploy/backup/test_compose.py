"""Backup and restore of the production stack: a real PostgreSQL, an S3 over HTTP, and folders."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from compose_stores import ROLES, ComposeStores, start_compose_stores
from deploy.backup import compose, engine, manifest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
LARGE = os.urandom(12 << 20)
"""More than PyArrow uploads in one part."""
FILL = "INSERT INTO kept (text) SELECT current_database() FROM generate_series(1, 1000)"
COUNT = "SELECT count(*), max(id), min(text) FROM kept"
LAKE = {
    "lake/rain/2026-11/manifest.json": b"{}",
    "lake/rain/2026-11/train-1.parquet": LARGE,
    "lake/empty": b"",
    "lake/ño/a b.txt": b"names",
}
FILES = {
    "use-cases": {"rent.py": b"USE_CASE = 1\n", "_helper.py": b""},
    "raw-files": {"rent.csv": LARGE, "a b (1).csv": b"x,y\n", "2026/ño.csv": b"z\n"},
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStores]:
    with start_compose_stores(tmp_path_factory.mktemp("stores")) as made:
        yield made


@pytest.fixture(scope="module")
def backup(servers: ComposeStores, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Backup of the filled stack, which tests do not change."""
    servers.reset()
    _fill(servers)
    folder = tmp_path_factory.mktemp("backups") / "to"
    assert "7 files" in _assert_done(_run(servers, "backup", folder, "--of", "compose"))
    return folder


@pytest.fixture
def empty(servers: ComposeStores, backup: Path) -> ComposeStores:
    """A new stack; the backup has been taken."""
    assert backup.exists()
    servers.reset()
    return servers


@pytest.fixture
def filled(empty: ComposeStores) -> ComposeStores:
    _fill(empty)
    return empty


def _fill(stores: ComposeStores) -> None:
    for database in ROLES:
        stores.execute(database, "CREATE TABLE kept (id serial PRIMARY KEY, text text)")
        stores.execute(database, FILL)
    for key, content in LAKE.items():
        stores.put("data", key, content)
    stores.put("mlflow", "1/models/m-1/artifacts/model.onnx", b"model")
    for name, files in FILES.items():
        for file, content in files.items():
            _write(stores.folders[name] / file, content)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def _read_files(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def _run(stores: ComposeStores, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.backup", *map(str, words)]
    return subprocess.run(
        command, cwd=ROOT, env=stores.variables, capture_output=True, text=True, check=False
    )


def _assert_done(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def _assert_refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("make ")
    return done.stderr


def _is_whole(stores: ComposeStores) -> None:
    for database, role in ROLES.items():
        assert stores.execute(database, COUNT) == [(1000, 1000, database)]
        assert stores.execute(database, "SELECT tableowner FROM pg_tables WHERE tablename = 'kept'") == [
            (role,)
        ]
        # what is numbered is numbered on
        assert stores.execute(database, "INSERT INTO kept (text) VALUES ('new') RETURNING id") == [(1001,)]
    assert stores.read_objects("data") == LAKE
    assert stores.read_objects("mlflow") == {"1/models/m-1/artifacts/model.onnx": b"model"}
    assert {name: _read_files(folder) for name, folder in stores.folders.items()} == FILES


def test_it_is_restored_into_an_empty_stack(empty: ComposeStores, backup: Path) -> None:
    assert manifest.read_manifest(backup).of == "compose"
    _assert_done(_run(empty, "restore", backup))
    _is_whole(empty)


def test_a_stack_with_data_is_not_replaced_without_the_option(filled: ComposeStores, backup: Path) -> None:
    filled.execute("airflow", "CREATE TABLE newer (id int)")
    filled.put("data", "lake/newer", b"newer")
    _write(filled.folders["use-cases"] / "newer.py", b"")
    said = _assert_refused(_run(filled, "restore", backup))
    stores = "bucket data, bucket mlflow, database airflow, database mlflow_db, database servicio_ml"
    assert f"({stores}, folder raw-files, folder use-cases); REPLACE=yes deletes it" in said
    assert "lake/newer" in filled.read_objects("data")
    assert "newer.py" in _read_files(filled.folders["use-cases"])
    _assert_done(_run(filled, "restore", backup, "--replace"))
    _is_whole(filled)
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert filled.execute("airflow", tables) == [("kept",)]
    # others than the owner make no tables, as in a new database
    assert filled.execute("airflow", "SELECT has_schema_privilege('mlflow', 'public', 'CREATE')") == [
        (False,)
    ]


def test_a_stack_in_use_is_not_replaced(filled: ComposeStores, backup: Path) -> None:
    with psycopg.connect(filled.postgres.build_url("mlflow_db")):
        said = _assert_refused(_run(filled, "restore", backup, "--replace"))
    assert "database mlflow_db is in use by postgres from 127.0.0.1; stop its clients first: docker" in said
    _is_whole(filled)


def test_a_damaged_backup_is_not_restored(filled: ComposeStores, backup: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(backup, tmp_path / "damaged")
    path = damaged / "servicio_ml.dump"
    path.write_bytes(path.read_bytes()[:-1])
    said = _assert_refused(_run(filled, "restore", damaged, "--replace"))
    assert f"{path} has changed since the backup" in said
    _is_whole(filled)


def test_a_file_that_is_being_written_is_not_in_it(filled: ComposeStores, tmp_path: Path) -> None:
    """An upload and a use case have a hidden name until they are whole; a restore lets them be."""
    unfinished = filled.folders["raw-files"] / ".3f2a"
    unfinished.write_bytes(b"half")
    _assert_done(_run(filled, "backup", tmp_path / "to", "--of", "compose"))
    _assert_done(_run(filled, "restore", tmp_path / "to", "--replace"))
    assert unfinished.read_bytes() == b"half"
    unfinished.unlink()
    _is_whole(filled)


@pytest.mark.parametrize("what", ["database", "bucket", "folder"])
def test_a_store_that_is_down_leaves_no_backup(empty: ComposeStores, tmp_path: Path, what: str) -> None:
    if what == "database":
        empty.postgres.stop()
    elif what == "bucket":
        empty.s3.delete_bucket(Bucket="mlflow")
    else:
        empty.folders["raw-files"].rmdir()
    try:
        said = _assert_refused(_run(empty, "backup", tmp_path / "to", "--of", "compose"))
    finally:
        if what == "database":
            empty.postgres.start()
    assert "docker compose " in said
    assert list(tmp_path.iterdir()) == []


def test_without_docker_it_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.backup", "backup", str(tmp_path / "to"), "--of", "compose"]
    done = subprocess.run(
        command, cwd=ROOT, env={"PATH": str(tmp_path), "PYTHONPATH": str(ROOT / "servicio-ml" / "src")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (
        done.stderr == "make backup: docker is not installed; run the command on the machine of the stack\n"
    )


def test_the_stores_are_those_of_the_stack() -> None:
    text = (ROOT / "dockerfiles" / "postgres" / "10-databases.sql").read_text()
    made = re.findall(r"^CREATE DATABASE (\w+) OWNER (\w+);$", text, re.MULTILINE)
    assert dict(made) == ROLES
    assert tuple(ROLES) == compose.DATABASES
    text = (ROOT / "docker-compose.yaml").read_text()
    assert f"/opt/buckets.py, {', '.join(compose.BUCKETS)}]" in text


def test_the_folders_are_those_of_the_service_that_writes_them() -> None:
    service = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"][engine.FOLDER_SERVICE]
    for name, variable in compose.FOLDERS.items():
        [mount] = [each for each in service["volumes"] if f":-{name}}}:" in each]
        assert mount.endswith(f"}}:{service['environment'][variable]}")  # and not `:ro`
