"""The stores of the production stack as real servers and folders, and a `docker` that runs its programs."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import psycopg
from moto.server import ThreadedMotoServer

from deploy.backup import compose
from servers import POSTGRES_PASSWORD, PostgresServer, start_postgres_server

# compose exec -T postgres PROGRAM …, and compose run … python …
DOCKER = """#!{python}
import os, sys
words = sys.argv[1:]
if "exec" in words:
    words = words[words.index("postgres") + 1:]
elif "python" in words:
    words = ["{python}", *words[words.index("python") + 1:]]
else:
    words = ["true"]  # up: everything is
os.execvp(words[0], words)
"""
CREDENTIALS = {"aws_access_key_id": "a", "aws_secret_access_key": "a"}
ROLES = {"airflow": "airflow", "mlflow_db": "mlflow", "servicio_ml": "servicio_ml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeStores:
    """A PostgreSQL and an S3 of their own, and the folders of the volumes by name."""

    postgres: PostgresServer
    endpoint: str
    folders: Mapping[str, Path]
    variables: Mapping[str, str]

    @property
    def s3(self) -> Any:
        return boto3.client("s3", endpoint_url=self.endpoint, **CREDENTIALS)

    def reset(self) -> None:
        """Anew, as dockerfiles/postgres and the job of the buckets do; what was there is lost."""
        with psycopg.connect(self.postgres.build_url(), autocommit=True) as connection:
            for database, role in ROLES.items():
                connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
                connection.execute(f"DROP ROLE IF EXISTS {role}")
                connection.execute(f"CREATE ROLE {role} LOGIN")
                connection.execute(f"CREATE DATABASE {database} OWNER {role}")
        request = Request(f"{self.endpoint}/moto-api/reset", method="POST")  # noqa: S310  our own server
        urlopen(request).close()  # noqa: S310
        for bucket in compose.BUCKETS:
            self.s3.create_bucket(Bucket=bucket)
        for folder in self.folders.values():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()

    def execute(self, database: str, statement: str) -> Sequence[tuple[Any, ...]]:
        """Execute as the owner of the database."""
        with psycopg.connect(self.postgres.build_url(database), autocommit=True) as connection:
            connection.execute(f"SET ROLE {ROLES[database]}")
            done = connection.execute(statement)
            return done.fetchall() if done.description else ()

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=content)

    def read_objects(self, bucket: str) -> Mapping[str, bytes]:
        listed = self.s3.list_objects_v2(Bucket=bucket).get("Contents", ())
        keys = [each["Key"] for each in listed]
        return {key: self.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


@contextmanager
def start_compose_stores(folder: Path) -> Iterator[ComposeStores]:
    """Servers with nothing on them yet. Without PostgreSQL the test is skipped."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with start_postgres_server() as postgres:
        server.start()
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        folders = {name: folder / name for name in compose.FOLDERS}
        variables = {
            **os.environ,
            "PATH": f"{_write_docker_program(folder)}{os.pathsep}{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(postgres.port),
            "PGPASSWORD": POSTGRES_PASSWORD,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "a",
            "AWS_DEFAULT_REGION": "us-east-1",
            "SERVICIO_ML_S3_ENDPOINT": endpoint,
            **{variable: str(folders[name]) for name, variable in compose.FOLDERS.items()},
        }
        made = ComposeStores(postgres=postgres, endpoint=endpoint, folders=folders, variables=variables)
        try:
            yield made
        finally:
            server.stop()


def _write_docker_program(folder: Path) -> Path:
    """The folder of the program."""
    program = folder / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER.format(python=sys.executable))
    program.chmod(0o755)
    return program.parent
