"""Backup and restore of the production stack: the databases of PostgreSQL and the buckets of S3."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deploy.backup.engine import Engine
from deploy.backup.folder import appearing
from deploy.backup.manifest import BackupError, Manifest, entry

KIND = "compose"
DATABASES = ("airflow", "mlflow_db", "servicio_ml")
BUCKETS = ("data", "mlflow")
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
CLIENTS = (
    "SELECT DISTINCT usename || coalesce(' from ' || host(client_addr), '') FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
EMPTY = (
    "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner; "
    "GRANT USAGE ON SCHEMA public TO PUBLIC"
)
"""As a new database has it; one transaction."""


def backup(engine: Engine, target: Path, now: str) -> Manifest:
    """Back up the stack, which may go on meanwhile.

    What a database names in a bucket was there before it; so the databases are copied first.

    Raises:
        BackupError: The target is there, or a part of the stack refuses.
    """
    with appearing(target) as folder:
        before = {bucket: engine.bucket("list", bucket) for bucket in BUCKETS}
        for database in DATABASES:
            with _dump(folder, database).open("xb") as sink:
                engine.database("pg_dump", "--format=custom", "--dbname", database, sink=sink)
        for bucket in BUCKETS:
            with _archive(folder, bucket).open("xb") as sink, _spooled(before[bucket]) as names:
                engine.bucket("save", bucket, source=names, sink=sink)
        entries = [entry(folder, path) for path in sorted(folder.iterdir())]
        made = Manifest(of=KIND, made_at=now, entries=entries)
        made.write(folder)
    return made


def restore(engine: Engine, source: Path, *, replace: bool) -> None:
    """Fill the databases and the buckets of a backup whose files have been verified.

    A database is filled whole or not at all. Killed midway, it is run again, with `replace`.

    Raises:
        BackupError: The stack has data that is not to be replaced, is in use, or refuses.
    """
    for database in DATABASES:
        if clients := engine.query(database, CLIENTS):
            problem = f"database {database} is in use by {', '.join(clients)}; stop what uses it first"
            raise BackupError(f"{problem}: docker compose --profile all stop, then up --detach postgres s3")
    there = holds(engine)
    if (full := sorted(name for name, count in there.items() if count)) and not replace:
        raise BackupError(f"the stack has data ({', '.join(full)}); REPLACE=yes deletes it")
    for database in DATABASES:
        if there[f"database {database}"]:
            engine.query(database, EMPTY)
        with _dump(source, database).open("rb") as dump:
            words = ("pg_restore", "--single-transaction", "--exit-on-error", "--dbname", database)
            engine.database(*words, source=dump)
    for bucket in BUCKETS:
        if there[f"bucket {bucket}"]:
            engine.bucket("clear", bucket)
        with _archive(source, bucket).open("rb") as archive:
            engine.bucket("load", bucket, source=archive)


def holds(engine: Engine) -> Mapping[str, int]:
    """How many tables each database has, and how many objects each bucket."""
    tables = {f"database {database}": int(engine.query(database, TABLES)[0]) for database in DATABASES}
    return {**tables, **{f"bucket {bucket}": len(_keys(engine, bucket)) for bucket in BUCKETS}}


def _keys(engine: Engine, bucket: str) -> Sequence[str]:
    found: Sequence[str] = json.loads(engine.bucket("list", bucket))
    return found


def _dump(folder: Path, database: str) -> Path:
    return folder / f"{database}.dump"


def _archive(folder: Path, bucket: str) -> Path:
    return folder / f"{bucket}.tar"


@contextmanager
def _spooled(content: bytes) -> Iterator[IO[bytes]]:
    """A file with a content, at its beginning; a pipe would have to be fed while the other end is read."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file
