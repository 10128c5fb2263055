"""Backup and restore of the production stack: databases, buckets, and folders of use cases and raw files."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from deploy.backup.atomic_folder import create_atomically
from deploy.backup.engine import ComposeEngine
from deploy.backup.manifest import BackupError, BackupManifest, describe_file

KIND = "compose"
DATABASES = ("airflow", "mlflow_db", "servicio_ml")
BUCKETS = ("data", "mlflow")
FOLDERS = {"use-cases": "SERVICIO_ML_USE_CASES_DIR", "raw-files": "SERVICIO_ML_DATA_DIR"}
"""Folders by the name of their volume, with the variable of the containers that has the path."""
COUNT_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
LIST_CLIENTS = (
    "SELECT DISTINCT usename || coalesce(' from ' || host(client_addr), '') FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
RECREATE_SCHEMA = (
    "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner; "
    "GRANT USAGE ON SCHEMA public TO PUBLIC"
)
"""Statements, run in one transaction, that leave the public schema as in a new database."""


def back_up(engine: ComposeEngine, target: Path, now: str) -> BackupManifest:
    """Back up the stack; it may run meanwhile.

    The databases are copied before the buckets and the folders, because an object or a file exists before a
    database refers to it. Use cases are copied before raw files for the same reason.

    Raises:
        BackupError: Another process writes the target, or a program of the stack fails.
    """
    with create_atomically(target) as folder:
        before = {bucket: engine.run_bucket_program("list", bucket) for bucket in BUCKETS}
        for database in DATABASES:
            with _get_dump_path(folder, database).open("xb") as sink:
                engine.run_database_program("pg_dump", "--format=custom", "--dbname", database, sink=sink)
        for bucket in BUCKETS:
            with _get_archive_path(folder, bucket).open("xb") as sink, _open_spooled(before[bucket]) as names:
                engine.run_bucket_program("save", bucket, source=names, sink=sink)
        for name, variable in FOLDERS.items():
            with _get_archive_path(folder, name).open("xb") as sink:
                engine.run_folder_program("save", variable, sink=sink)
        entries = [describe_file(folder, path) for path in sorted(folder.iterdir())]
        made = BackupManifest(of=KIND, made_at=now, entries=entries)
        made.write(folder)
    return made


def restore(engine: ComposeEngine, source: Path, *, replace: bool) -> None:
    """Fill the databases, the buckets and the folders from a backup whose files have been verified.

    Each database is restored in one transaction. After an interruption, run it again with `replace`.

    Raises:
        BackupError: The stack has data and `replace` is false, is in use, or one of its programs fails.
    """
    _check_unused(engine)
    counts = count_contents(engine)
    if (full := sorted(name for name, count in counts.items() if count)) and not replace:
        raise BackupError(f"the stack has data ({', '.join(full)}); REPLACE=yes deletes it")
    for database in DATABASES:
        _restore_database(engine, source, database, clear=counts[f"database {database}"] > 0)
    for bucket in BUCKETS:
        run_program = partial(engine.run_bucket_program, name=bucket)
        _restore_archive(run_program, _get_archive_path(source, bucket), clear=counts[f"bucket {bucket}"] > 0)
    for folder, variable in FOLDERS.items():
        run_program = partial(engine.run_folder_program, name=variable)
        _restore_archive(run_program, _get_archive_path(source, folder), clear=counts[f"folder {folder}"] > 0)


def _check_unused(engine: ComposeEngine) -> None:
    for database in DATABASES:
        if clients := engine.query_lines(database, LIST_CLIENTS):
            problem = f"database {database} is in use by {', '.join(clients)}; stop its clients first"
            raise BackupError(f"{problem}: docker compose --profile all stop, then up --detach postgres s3")


def _restore_database(engine: ComposeEngine, source: Path, database: str, *, clear: bool) -> None:
    if clear:
        engine.query_lines(database, RECREATE_SCHEMA)
    with _get_dump_path(source, database).open("rb") as dump:
        words = ("pg_restore", "--single-transaction", "--exit-on-error", "--dbname", database)
        engine.run_database_program(*words, source=dump)


def _restore_archive(run_program: Callable[..., bytes], path: Path, *, clear: bool) -> None:
    if clear:
        run_program("clear")
    with path.open("rb") as archive:
        run_program("load", source=archive)


def count_contents(engine: ComposeEngine) -> Mapping[str, int]:
    """Count the tables of each database, the objects of each bucket and the files of each folder."""
    tables = {name: int(engine.query_lines(name, COUNT_TABLES)[0]) for name in DATABASES}
    objects = {name: len(json.loads(engine.run_bucket_program("list", name))) for name in BUCKETS}
    files = {
        name: len(json.loads(engine.run_folder_program("list", variable)))
        for name, variable in FOLDERS.items()
    }
    kinds = {"database": tables, "bucket": objects, "folder": files}
    return {f"{kind} {name}": count for kind, found in kinds.items() for name, count in found.items()}


def _get_dump_path(folder: Path, database: str) -> Path:
    return folder / f"{database}.dump"


def _get_archive_path(folder: Path, bucket: str) -> Path:
    return folder / f"{bucket}.tar"


@contextmanager
def _open_spooled(content: bytes) -> Iterator[IO[bytes]]:
    """Open a temporary file with a content; a pipe would block while the other end is read."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file
