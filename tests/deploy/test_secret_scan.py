"""No tracked file holds a secret, and the scan would find one."""

import os
import random
import re
import string
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy import env
from secret_scan import NONE, SKIPPED, Finding, find_secrets, is_unknown

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def everything() -> Sequence[Finding]:
    """What looks like a secret in any tracked or new text file."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    names = [name for name in listed.stdout.splitlines() if not name.startswith(SKIPPED)]
    paths = [path for name in names if (path := ROOT / name).is_file() and b"\0" not in path.read_bytes()]
    return [found for path in paths for found in find_secrets(ROOT, path)]


@pytest.mark.slow
def test_no_file_holds_a_secret(everything: Sequence[Finding]) -> None:
    assert [str(found) for found in everything if is_unknown(found)] == []


@pytest.mark.slow
def test_what_is_known_to_be_none_is_still_there(everything: Sequence[Finding]) -> None:
    assert everything
    texts = [each.text.strip() for each in everything]
    assert [pattern for pattern in NONE if not any(re.search(pattern, text) for text in texts)] == []


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("POSTGRES_PASSWORD: {word}", id="yaml"),
        pytest.param('password = "{word}"', id="python"),
        pytest.param("url = 'postgresql://admin:{word}@db.example.org/app'", id="address"),
        pytest.param('key = "{digits}"', id="digest"),
        pytest.param("AWS = 'AKIA{capitals}'", id="aws"),
        pytest.param("-----BEGIN RSA {private}-----", id="private"),
        pytest.param("token = 'ghp_{letters}'", id="github"),
    ],
)
def test_the_scan_finds_one(tmp_path: Path, line: str) -> None:
    made = line.format(
        word=_draw_text(string.ascii_letters + string.digits, 24),
        digits=_draw_text("0123456789abcdef", 48),
        capitals=_draw_text(string.ascii_uppercase, 16),
        private="PRIVATE KEY",
        letters=_draw_text(string.ascii_letters, 36),
    )
    path = tmp_path / "settings.yaml"
    path.write_text(f"{made}\n")
    [found, *_] = find_secrets(tmp_path, path)
    assert (found.path, found.number) == ("settings.yaml", 1)
    assert is_unknown(found)


def _draw_text(characters: str, count: int) -> str:
    # the same in each run: the scan passes over one word in thousands that looks like none
    return "".join(random.Random(1).choices(characters, k=count))  # noqa: S311  no secret


@pytest.mark.parametrize("name", ["hook_token", "airflow_fernet_key", "api_admin_key"])
def test_a_secret_of_ours_in_a_file_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / env.EXAMPLE).write_text("")
    list(env.make_secrets(tmp_path))
    path = tmp_path / "values.yaml"
    path.write_text(f"{name}: {(tmp_path / env.FOLDER / name).read_text()}\n")
    assert any(is_unknown(found) for found in find_secrets(tmp_path, path))


def test_no_secret_of_this_clone_is_in_its_files() -> None:
    folder = ROOT / env.FOLDER
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        pytest.skip("no secrets/ here; make env makes it")
    for path in folder.iterdir():
        for line in path.read_text().splitlines():
            command = ["git", "grep", "--quiet", "--fixed-strings", "-e", line]
            assert subprocess.run(command, cwd=ROOT, check=False).returncode == 1, path.name
