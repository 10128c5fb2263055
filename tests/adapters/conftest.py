"""A real S3 service on a free port, and a real PostgreSQL with an empty database for each test."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import boto3
import psycopg
import pytest
from moto.server import ThreadedMotoServer

from servers import PostgresServer, start_postgres_server

NUMBERS = count()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="data")
        yield endpoint
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with start_postgres_server() as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    """The address of an empty database."""
    name = f"log_{next(NUMBERS)}"
    with psycopg.connect(postgres.build_url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres.build_url(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Address of the log; the database's name has characters that an address encodes."""
    return tmp_path / "a log 100%"
