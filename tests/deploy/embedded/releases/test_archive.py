"""An archive is unpacked as a whole, or not at all."""

import tarfile
from pathlib import Path

import pytest

from archives import build_archive, build_member, build_release
from deploy.embedded.releases.archive import UNPACKING, ArchiveError, remove_unfinished, unpack

PROGRAM = "bin/tool"
CONTENT = b"#!/bin/sh\necho here\n"
GOOD = (build_member("tool-1/bin/tool", mode=0o755), CONTENT)


def _unpack(content: bytes, folder: Path) -> Path:
    archive = folder / "tool.tar.gz"
    archive.write_bytes(content)
    target = folder / "programs" / "tool-1"
    target.parent.mkdir(exist_ok=True)
    unpack(archive, target, PROGRAM)
    return target


def test_a_release_is_there_with_its_modes(tmp_path: Path) -> None:
    target = _unpack(build_release("tool-1.linux-amd64", PROGRAM, CONTENT), tmp_path)
    assert (target / PROGRAM).read_bytes() == CONTENT
    assert (target / PROGRAM).stat().st_mode & 0o777 == 0o755
    assert (target / "LICENSE").stat().st_mode & 0o777 == 0o644
    assert [each.name for each in target.parent.iterdir()] == ["tool-1"]


REFUSED = {
    "dotted": [GOOD, (build_member("tool-1/../../escaped"), b"out")],
    "absolute": [GOOD, (build_member("/tmp/escaped-from-an-archive"), b"out")],  # noqa: S108  must not appear
    "symlink-then-file": [
        (build_member("tool-1/inside", kind=tarfile.SYMTYPE, link="../../.."), b""),
        (build_member("tool-1/inside/escaped"), b"out"),
        GOOD,
    ],
    "symlink-inside": [GOOD, (build_member("tool-1/other", kind=tarfile.SYMTYPE, link="bin/tool"), b"")],
    "hard-link": [GOOD, (build_member("tool-1/other", kind=tarfile.LNKTYPE, link="tool-1/bin/tool"), b"")],
    "device": [GOOD, (build_member("tool-1/device", kind=tarfile.FIFOTYPE), b"")],
    "two-folders": [GOOD, (build_member("other/file"), b"")],
    "no-program": [(build_member("tool-1/bin/other", mode=0o755), CONTENT)],
    "no-executable": [(build_member("tool-1/bin/tool"), CONTENT)],
    "empty": [],
}


@pytest.mark.parametrize("members", REFUSED.values(), ids=REFUSED)
def test_an_archive_that_is_no_release_leaves_nothing(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    inner = tmp_path / "deep" / "folder"
    inner.mkdir(parents=True)
    with pytest.raises(ArchiveError):
        _unpack(build_archive(members), inner)
    left = sorted(str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*"))
    assert left == ["deep", "deep/folder", "deep/folder/programs", "deep/folder/tool.tar.gz"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_truncated_archive_leaves_nothing(tmp_path: Path, share: float) -> None:
    whole = build_release("tool-1", PROGRAM, bytes(range(256)) * 400)
    with pytest.raises(ArchiveError, match="damaged"):
        _unpack(whole[: int(len(whole) * share)], tmp_path)
    assert list((tmp_path / "programs").iterdir()) == []


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"{UNPACKING}abc" / "tool-1").mkdir(parents=True)
    (tmp_path / "tool-1").mkdir()
    remove_unfinished(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["tool-1"]
