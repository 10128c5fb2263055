"""The program that copies a folder of a container: what is written meanwhile is no part of a backup."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.backup import engine

WRITTEN = """
import tarfile, sys
from pathlib import Path
def addfile(self, member, source, kept=tarfile.TarFile.addfile):
    with Path(source.name).open("r+b") as file:
        file.{change}
    kept(self, member, source)
tarfile.TarFile.addfile = addfile
"""
CONTENT = b"x,y\n" * 100_000
"""More than one read of the copy."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rent.csv").write_bytes(CONTENT)
    return tmp_path


def _run(folder: Path, verb: str, before: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run the program as in a container: by its text."""
    command = [sys.executable, "-c", before + engine.FOLDER_PROGRAM.read_text(), verb, "FOLDER"]
    environment = {**os.environ, "FOLDER": str(folder)}
    return subprocess.run(command, env=environment, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("write(b'z')", "is being written; run the backup when it is finished"),
        ("seek(0, 2), file.write(b'more')", "is being written; run the backup when it is finished"),
        ("truncate(10)", "unexpected end of data"),
    ],
)
def test_a_file_that_changes_while_it_is_copied_is_named(folder: Path, change: str, problem: str) -> None:
    done = _run(folder, "save", WRITTEN.format(change=change))
    assert done.returncode == 1
    assert problem in done.stderr.decode()
    assert done.stderr.decode().startswith(str(folder / "rent.csv"))


def test_folders_are_walked_and_hidden_files_are_left_out(folder: Path) -> None:
    for name in ("a/b/plums.csv", "a/.c/half.csv", ".3f2a", "_helper.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert json.loads(_run(folder, "list").stdout) == ["_helper.py", "a/b/plums.csv", "rent.csv"]
    assert _run(folder, "clear").returncode == 0
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [".3f2a", "half.csv"]


def test_no_folder_is_an_error(folder: Path) -> None:
    done = _run(folder / "none", "list")
    assert (done.returncode, done.stderr.decode()) == (1, f"{folder / 'none'} is no folder\n")
