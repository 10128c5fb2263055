"""A download resumes, never waits without a limit, and gives the expected file or none."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import Mirror, run_mirror
from deploy.embedded.releases.download import DownloadError, download_checked
from servers import find_free_port

CONTENT = random.Random(3).randbytes(400_000)  # noqa: S311  no secret
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with run_mirror({"file": CONTENT}) as server:
        yield server


def _download(mirror: Mirror, path: Path, *, seconds: float = 60, silence: float = 20) -> None:
    download_checked(f"{mirror.url}/file", path, SHA256, seconds, silence=silence)


def test_the_file_is_downloaded(mirror: Mirror, tmp_path: Path) -> None:
    _download(mirror, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert mirror.requests == [("/file", "")]


def test_an_interrupted_connection_is_resumed(mirror: Mirror, tmp_path: Path) -> None:
    mirror.break_after = [100_000, 50_000]
    _download(mirror, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert [wanted for _, wanted in mirror.requests] == ["", "bytes=100000-", "bytes=150000-"]


def test_an_earlier_attempt_is_resumed(mirror: Mirror, tmp_path: Path) -> None:
    part = tmp_path / "part"
    mirror.stall_after = 120_000
    with pytest.raises(DownloadError, match="timed out"):
        _download(mirror, part, silence=0.3)
    assert 0 < part.stat().st_size < len(CONTENT)
    size, mirror.stall_after = part.stat().st_size, 0
    _download(mirror, part)
    assert part.read_bytes() == CONTENT
    assert mirror.requests[-1] == ("/file", f"bytes={size}-")


def test_a_server_without_ranges_sends_the_whole_file_again(mirror: Mirror, tmp_path: Path) -> None:
    mirror.knows_ranges = False
    (tmp_path / "part").write_bytes(CONTENT[:1000])
    _download(mirror, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_a_complete_file_is_not_downloaded_again(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(CONTENT)
    _download(mirror, tmp_path / "part")
    assert mirror.requests == [("/file", f"bytes={len(CONTENT)}-")]


@pytest.mark.parametrize("left", [b"another file", CONTENT + b"more"], ids=["another", "longer"])
def test_what_is_left_of_another_file_is_downloaded_anew(mirror: Mirror, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "part").write_bytes(left)
    _download(mirror, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_a_wrong_file_is_deleted(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files = {"file": CONTENT[:-1] + b"!"}
    with pytest.raises(DownloadError, match=f"not the expected {SHA256}"):
        _download(mirror, tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_a_missing_file_is_named(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files = {}
    with pytest.raises(DownloadError, match="/file answers 404"):
        _download(mirror, tmp_path / "part")


def test_a_time_limit_keeps_what_has_come(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="PROGRAMS_SECONDS"):
        _download(mirror, tmp_path / "part", seconds=0)
    assert (tmp_path / "part").stat().st_size > 0


def test_nobody_answers(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{find_free_port()}/file"
    with pytest.raises(DownloadError, match="refused"):
        download_checked(url, tmp_path / "part", SHA256, 60)
