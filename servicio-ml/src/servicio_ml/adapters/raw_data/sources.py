"""Raw sources: a path, an http(s) address or an S3 address as a local file."""

import http.client
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from servicio_ml.adapters.lake import create_s3_filesystem
from servicio_ml.errors import SourceError

TIMEOUT_SECONDS = 30
"""Maximum wait for the next byte from the server."""


@contextmanager
def open_source(source: str, *, s3_endpoint: str = "") -> Iterator[Path]:
    """Open a source as a local file, which exists as long as the context is open.

    Args:
        source: A path, `http://…`, `https://…` or `s3://bucket/key`.
        s3_endpoint: Address of an S3 service other than AWS.

    Raises:
        SourceError: The source cannot be read completely.
    """
    scheme, separator, _ = source.partition("://")
    if not separator:
        yield Path(source)
        return
    fetch = {"http": _download_http, "https": _download_http, "s3": _download_s3}.get(scheme.lower())
    if fetch is None:
        raise SourceError(source, f"{scheme} addresses are not supported; give a path, http(s)://… or s3://…")
    with tempfile.TemporaryDirectory(prefix="servicio-ml-source-") as folder:
        path = Path(folder, "source").with_suffix(Path(urlsplit(source).path).suffix)
        # the suffix is kept: it shows the format
        with path.open("wb") as sink:
            fetch(source, sink, s3_endpoint)
        yield path


def _download_http(source: str, sink: BinaryIO, _: str) -> None:
    try:
        with urllib.request.urlopen(source, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  http(s) only
            shutil.copyfileobj(answer, sink)
            # a connection that breaks off early ends a response without an error
            promised = answer.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        problem = f"the server answers {error.code} {error.reason}; check the address"
        error.close()
        raise SourceError(source, problem) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "describe_error", error)
        raise SourceError(source, f"{reason}; check the address and the network") from error
    if promised is not None and sink.tell() != int(promised):
        raise SourceError(source, f"only {sink.tell()} of {promised} bytes were received; try again")


def _download_s3(source: str, sink: BinaryIO, endpoint: str) -> None:
    try:
        with create_s3_filesystem(endpoint).open_input_file(source.removeprefix("s3://")) as origin:
            shutil.copyfileobj(origin, sink)
    except FileNotFoundError as error:
        raise SourceError(source, "no such object; check bucket and key") from error
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        remedy = "check SERVICIO_ML_S3_ENDPOINT and the AWS credentials"
        raise SourceError(source, f"{first}; {remedy}") from error
