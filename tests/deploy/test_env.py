"""`make env`: what it writes, what it keeps, and what is left when it is killed."""

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy import atomic_file, env
from deploy.secrets_list import API_KEYS, KEY_FILES, SECRET_FILES, SECRETS
from servicio_ml.errors import UnauthorizedError
from servicio_ml.serving.http.api_keys import Scope, read_keys

ROOT = Path(__file__).parents[2]
MIN_CHARACTERS = 20
ONE = "hook_token"
KILLED = """
import os, pathlib, sys
from deploy import atomic_file, env
atomic_file.os.fsync = lambda handle: os._exit(9)  # as a killed process: without its finally clauses
list(env.make_secrets(pathlib.Path(sys.argv[1])))
"""
ON_WINDOWS = """
import argparse, os, pathlib, sys, tempfile
opened = os.open
def open_file(path, *given, **options):
    if os.path.isdir(path):
        raise PermissionError(path)  # as Windows answers for a folder
    return opened(path, *given, **options)
sys.platform, sys.modules["fcntl"], os.open = "win32", None, open_file
del os.fchmod
from deploy import env
sys.exit(env.main(["--root", sys.argv[1]]))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copy(ROOT / env.EXAMPLE, tmp_path)
    return tmp_path


def _make(root: Path, rotate: str = "") -> Mapping[str, str]:
    return {done.path.name: done.outcome for done in env.make_secrets(root, rotate)}


def _read_files(root: Path) -> Mapping[str, str]:
    return {path.name: path.read_text() for path in (root / "secrets").iterdir()}


def _read_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_everything_is_written_closed_to_others(root: Path) -> None:
    assert set(_make(root).values()) == {"written"}
    assert set(_read_files(root)) == set(SECRET_FILES)
    assert _read_mode(root / ".env") == 0o600
    assert _read_mode(root / "secrets") == 0o700
    assert {_read_mode(root / "secrets" / name) for name in SECRET_FILES} == {0o444}


def test_secrets_are_long_distinct_and_new_each_time(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(ROOT / env.EXAMPLE, tmp_path / name)
        _make(tmp_path / name)
        made += [text for file, text in _read_files(tmp_path / name).items() if file in SECRETS]
    assert len(set(made)) == len(made) == 2 * len(SECRETS)
    assert all(len(text) >= MIN_CHARACTERS for text in made)
    # they go into addresses, files without quotes and command lines as they are
    assert all(re.fullmatch(r"[\w=-]+", text) for text in made)


def test_airflow_takes_its_key(root: Path) -> None:
    _make(root)
    assert len(base64.urlsafe_b64decode(_read_files(root)["airflow_fernet_key"])) == 32


def test_the_server_takes_the_keys(root: Path) -> None:
    _make(root)
    keys, texts = read_keys(root / "secrets" / API_KEYS), _read_files(root)
    assert keys.authorize(texts["api_admin_key"], Scope.ADMIN) == "api_admin_key"
    assert keys.authorize(texts["api_predict_key"], Scope.PREDICT) == "api_predict_key"
    assert not any(texts[name] in texts[API_KEYS] for name in KEY_FILES)


def test_what_is_there_is_kept(root: Path) -> None:
    _make(root)
    before = (_read_files(root), (root / ".env").read_text())
    assert set(_make(root).values()) == {"kept"}
    assert (_read_files(root), (root / ".env").read_text()) == before


def test_a_missing_one_is_added_alone(root: Path) -> None:
    _make(root)
    before = _read_files(root)
    (root / "secrets" / "hook_token").unlink()
    assert {name for name, what in _make(root).items() if what != "kept"} == {"hook_token"}
    after = _read_files(root)
    assert {name for name in SECRET_FILES if after[name] != before[name]} == {"hook_token"}


def test_another_folder_stays_the_one(root: Path) -> None:
    (root / ".env").write_text("SECRETS_DIR=./elsewhere\n")
    _make(root)
    assert {path.name for path in (root / "elsewhere").iterdir()} == set(SECRET_FILES)
    assert not (root / "secrets").exists()


def test_open_modes_are_closed(root: Path) -> None:
    _make(root)
    (root / "secrets").chmod(0o755)
    (root / ".env").chmod(0o644)
    _make(root)
    assert (_read_mode(root / "secrets"), _read_mode(root / ".env")) == (0o700, 0o600)


def test_a_copied_example_is_filled_in_and_else_kept(root: Path) -> None:
    edited = (root / ".env.example").read_text().replace("API_PORT=8800", "API_PORT=9900")
    (root / ".env").write_text(edited)
    assert _make(root)[".env"] == "kept, with SECRETS_DIR filled in"
    text = (root / ".env").read_text()
    assert "API_PORT=9900" in text
    assert text.endswith("SECRETS_DIR=./secrets\n")
    assert _read_mode(root / ".env") == 0o600


def test_an_empty_secret_is_refused(root: Path) -> None:
    _make(root)
    path = root / "secrets" / "valkey_password"
    path.unlink()
    path.write_text("\n")
    with pytest.raises(env.EnvError, match=r"valkey_password is empty; remove it and run `make env` again"):
        _make(root)


def test_one_secret_is_renewed(root: Path) -> None:
    _make(root)
    before = _read_files(root)
    assert _make(root, rotate=ONE)[ONE] == "renewed"
    after = _read_files(root)
    assert {name for name in SECRET_FILES if after[name] != before[name]} == {ONE}


def test_a_renewed_key_replaces_its_line_only(root: Path) -> None:
    _make(root)
    before, file = _read_files(root), root / "secrets" / API_KEYS
    mine = f"ours predict {'a' * 64}\n"
    file.chmod(0o644)
    file.write_text(before[API_KEYS] + mine)
    assert _make(root, rotate="api_admin_key")[API_KEYS] == "updated with api_admin_key"
    after = _read_files(root)
    keys = read_keys(file)
    assert keys.authorize(after["api_admin_key"], Scope.ADMIN)
    assert keys.authorize(after["api_predict_key"], Scope.PREDICT)
    assert mine in after[API_KEYS]
    assert len(after[API_KEYS].splitlines()) == 3
    with pytest.raises(UnauthorizedError):
        keys.authorize(before["api_admin_key"], Scope.ADMIN)


@pytest.mark.parametrize("name", sorted(name for name, each in SECRETS.items() if each.renewal_step))
def test_what_somebody_else_keeps_is_not_renewed_by_a_file(root: Path, name: str) -> None:
    _make(root)
    before = _read_files(root)
    with pytest.raises(env.EnvError, match=rf"{name} cannot be renewed by its file alone"):
        _make(root, rotate=name)
    assert _read_files(root) == before


def test_an_unknown_one_is_named(root: Path) -> None:
    with pytest.raises(
        env.EnvError, match=r"there is no secret 'passwort'; the secrets are postgres_password"
    ):
        _make(root, rotate="passwort")


@pytest.mark.parametrize("steps", range(len(SECRET_FILES) + 1))
def test_killed_anywhere_it_is_completed_by_the_next(root: Path, steps: int) -> None:
    making = env.make_secrets(root)
    done = [next(making).path for _ in range(steps)]
    del making  # ends it there
    assert not (root / ".env").exists()
    before = {path: path.read_text() for path in done}
    _make(root)
    assert {path: path.read_text() for path in done} == before
    assert read_keys(root / "secrets" / API_KEYS).authorize(_read_files(root)["api_admin_key"], Scope.ADMIN)


def test_killed_within_a_file_it_leaves_nothing_half_written(root: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(root)]
    assert subprocess.run(command, cwd=ROOT, env=_build_bare_environment(), check=False).returncode == 9
    [left] = (root / "secrets").iterdir()
    assert left.name.startswith(atomic_file.UNFINISHED)
    _make(root)
    assert set(_read_files(root)) == set(SECRET_FILES)


def test_two_at_once_agree(root: Path) -> None:
    command = [sys.executable, "-m", "deploy.env", "--root", str(root)]
    both = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=_build_bare_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    errors = [each.communicate()[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], errors
    assert set(_read_files(root)) == set(SECRET_FILES)
    assert read_keys(root / "secrets" / API_KEYS).authorize(_read_files(root)["api_admin_key"], Scope.ADMIN)


def _build_bare_environment() -> Mapping[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "servicio-ml" / "src")}


def test_the_command_needs_nothing_but_python(root: Path) -> None:
    # -S leaves out site-packages
    command = [sys.executable, "-S", "-m", "deploy.env", "--root", str(root)]
    done = subprocess.run(
        command, cwd=ROOT, env=_build_bare_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "docker compose --profile all up" in done.stdout
    assert not any(text in done.stdout for text in _read_files(root).values())


def test_windows_needs_no_locks_of_unix(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ON_WINDOWS, str(root)], cwd=ROOT, env=_build_bare_environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(_read_files(root)) == set(SECRET_FILES)


def test_the_command_says_what_is_wrong(root: Path) -> None:
    (root / ".env.example").unlink()
    command = [sys.executable, "-m", "deploy.env", "--root", str(root)]
    done = subprocess.run(
        command, cwd=ROOT, env=_build_bare_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("make env: ")
    assert ".env.example" in done.stderr


@pytest.mark.parametrize(
    "name", [".env", "secrets/postgres_password", "secrets/.unfinished-1", ".unfinished-1"]
)
def test_git_ignores_it(name: str) -> None:
    done = subprocess.run(["git", "check-ignore", name], cwd=ROOT, capture_output=True, check=False)
    if done.returncode == 128:
        pytest.skip("not a git checkout")
    assert done.returncode == 0


@pytest.mark.parametrize("words", [["env"], ["backup", "TO=to"], ["restore", "FROM=from"]])
def test_an_old_python_is_named(tmp_path: Path, words: list[str]) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # as one that is too old answers
    old.chmod(0o755)
    make = ["make", "--file", str(ROOT / "Makefile"), f"PYTHON={old}", *words]
    done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode
    assert f"{old} is missing or older than 3.11; name a newer one: make PYTHON=python3.12 {words[0]}" in (
        done.stderr
    )
