"""Download of a file over HTTP: it resumes an earlier attempt and never waits without a limit."""

import hashlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import cast

from deploy.embedded.settings import PlatformError

SILENCE_SECONDS = 20.0
"""Time limit for the connection and for each part of the answer, in seconds."""
PART_BYTES = 1 << 16
MAX_BYTES = 1 << 30
"""Size above which a file is no release of a program."""
REPORT_SECONDS = 10.0
MEGABYTE = 1_000_000

Clock = Callable[[], float]


class DownloadError(PlatformError):
    """A file cannot be downloaded, or is not the expected one."""


def download_checked(
    url: str, path: Path, sha256: str, seconds: float, *, silence: float = SILENCE_SECONDS
) -> None:
    """Download a file and check its hash; a partial file stays for the next attempt, a wrong one does not.

    Args:
        url: Address.
        path: File to write to; if it exists, the rest is requested.
        sha256: Expected hash in hexadecimal.
        seconds: Time limit in seconds.
        silence: Time limit for each part of the answer in seconds.

    Raises:
        DownloadError: The address does not answer in time, or the file is not the expected one.
    """
    is_resumed, limit = path.exists(), time.monotonic() + seconds
    _download(url, path, limit, silence)
    found = compute_sha256(path)
    if found != sha256 and is_resumed:
        # what an earlier attempt has left may be of another file
        path.unlink()
        _download(url, path, limit, silence)
        found = compute_sha256(path)
    if found != sha256:
        path.unlink()
        raise DownloadError(
            f"{url} has the SHA-256 {found} and not the expected {sha256}; it was deleted. The file or the "
            "mirror was tampered with or is damaged: try again, or take another mirror"
        )


def compute_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, path: Path, limit: float, silence: float) -> None:
    """Download until the file is complete, with new connections as long as each brings something."""
    while True:
        before = _measure(path)
        try:
            _request_rest(url, path, limit, silence)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # the file was complete; its hash says whether it is the right one
            raise DownloadError(f"{url} answers {error.code} {error.reason}") from error
        except DownloadError:
            path.unlink()
            raise
        except (OSError, HTTPException) as error:
            if _measure(path) <= before or time.monotonic() >= limit:
                raise DownloadError(f"{url} cannot be downloaded: {error}") from error
        else:
            return


def _request_rest(url: str, path: Path, limit: float, silence: float) -> None:
    start = _measure(path)
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310  the settings admit HTTP only
    with urllib.request.urlopen(request, timeout=silence) as opened:  # noqa: S310  the same
        answer = cast("HTTPResponse", opened)
        # a server that knows no ranges sends the whole file again
        is_rest = answer.status == HTTPStatus.PARTIAL_CONTENT
        with path.open("ab" if is_rest else "wb") as file:
            size = file.tell()
            total = size + (answer.length or 0)
            reported = time.monotonic()
            while part := answer.read1(PART_BYTES):
                file.write(part)
                size += len(part)
                _check_limits(size, limit)
                if time.monotonic() - reported >= REPORT_SECONDS:
                    reported = time.monotonic()
                    print(f"  {size / MEGABYTE:.0f} of {total / MEGABYTE:.0f} MB", flush=True)
        if answer.length:
            raise ConnectionError(f"the connection ended {answer.length} bytes before the end of the file")


def _check_limits(size: int, limit: float) -> None:
    if size > MAX_BYTES:
        raise DownloadError(f"the file has more than {MAX_BYTES / MEGABYTE:.0f} MB and is no release")
    if time.monotonic() > limit:
        raise TimeoutError("the time limit PROGRAMS_SECONDS is over; the next attempt resumes")


def _measure(path: Path) -> int:
    """Size of a file in bytes; 0 if there is none."""
    return path.stat().st_size if path.exists() else 0
