"""A source is had whole or refused, wherever it is."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest

from servicio_ml.adapters import lake
from servicio_ml.adapters.raw_data.sources import open_source
from servicio_ml.errors import SourceError

CONTENT = b"a,b\n1,2\n"


class _WebHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.strip("/")
        if name == "absent.csv":
            self.send_error(404)
            return
        self.send_response(200)
        if name == "truncated.csv":
            self.send_header("Content-Length", str(2 * len(CONTENT)))
        if name == "data.csv?month=1":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _WebHandler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    with open_source(str(tmp_path / "a.csv")) as path:
        assert path == tmp_path / "a.csv"


@pytest.mark.parametrize("name", ["data.csv?month=1", "unsized.csv"])
def test_a_web_address_becomes_a_file_while_it_is_needed(web: str, name: str) -> None:
    with open_source(f"{web}/{name}") as path:
        assert path.read_bytes() == CONTENT
        assert path.suffix == ".csv"
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.csv", "the server answers 404 Not Found"),
        ("truncated.csv", "only 8 of 16 bytes were received"),
    ],
)
def test_an_answer_that_is_not_the_file_is_reported(web: str, name: str, message: str) -> None:
    with pytest.raises(SourceError, match=f"{web}/{name}: {message}"), open_source(f"{web}/{name}"):
        pytest.fail("nothing is to be read")


def test_an_unreachable_server_is_reported(closed_port: int) -> None:
    address = f"http://127.0.0.1:{closed_port}/a.csv"
    with pytest.raises(SourceError, match="check the address and the network"), open_source(address):
        pytest.fail("nothing is to be read")


@pytest.mark.parametrize("address", ["ftp://host/a.csv", "gs://bucket/a.csv"])
def test_other_addresses_are_not_read(address: str) -> None:
    with pytest.raises(SourceError, match=r"give a path, http\(s\)://"), open_source(address):
        pytest.fail("nothing is to be read")


@pytest.mark.slow
def test_an_s3_object_becomes_a_file(s3_endpoint: str) -> None:
    boto3.client("s3", endpoint_url=s3_endpoint).put_object(Bucket="data", Key="in/a.csv", Body=CONTENT)
    with open_source("s3://data/in/a.csv", s3_endpoint=s3_endpoint) as path:
        assert path.read_bytes() == CONTENT
    address = "s3://data/in/none.csv"
    with pytest.raises(SourceError, match="no such object"), open_source(address, s3_endpoint=s3_endpoint):
        pytest.fail("nothing is to be read")


def test_an_unreachable_s3_is_reported(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr(lake, "MAX_ATTEMPTS", 1)
    endpoint = f"http://127.0.0.1:{closed_port}"
    with (
        pytest.raises(SourceError, match="SERVICIO_ML_S3_ENDPOINT"),
        open_source("s3://data/a", s3_endpoint=endpoint),
    ):
        pytest.fail("nothing is to be read")
