"""Secrets get into a program's environment and files, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dockerfiles import entrypoint

from documents import ROOT

PROGRAM = ROOT / "dockerfiles" / "entrypoint.py"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    (tmp_path / "plain").write_text("s3cret\n")
    (tmp_path / "awkward").write_text("a/b@c:d%\n")
    (tmp_path / "empty").write_text("\n")
    return tmp_path


def test_a_secret_is_filled_in(secrets: Path) -> None:
    given = {"A": "x {secret:plain} y", "B": "{secret:awkward}", "C": "{not:one}"}
    assert entrypoint.build_environment(given, secrets) == {
        "A": "x s3cret y",
        "B": "a/b@c:d%",
        "C": "{not:one}",
    }


def test_in_an_address_it_is_percent_encoded(secrets: Path) -> None:
    address = "postgresql://user:{}@host/db"
    given = {"URL": address.format("{secret:awkward}")}
    assert entrypoint.build_environment(given, secrets) == {"URL": address.format("a%2Fb%40c%3Ad%25")}


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_one_that_is_missing_is_named(secrets: Path, name: str) -> None:
    with pytest.raises(entrypoint.SecretError, match=f"A needs the secret .*{name}.*make env"):
        entrypoint.build_environment({"A": f"{{secret:{name}}}"}, secrets)


def test_a_file_is_its_owners_only_and_its_variable_goes(tmp_path: Path) -> None:
    filled = {"SECRET_FILE_X": f'{tmp_path}/x.json:{{"admin": "a:b"}}', "OTHER": "stays"}
    for _ in range(2):  # as in a container that is started again
        given = dict(filled)
        entrypoint.write_files(given)
        assert given == {"OTHER": "stays"}
    assert (tmp_path / "x.json").read_text() == '{"admin": "a:b"}'
    assert (tmp_path / "x.json").stat().st_mode & 0o777 == 0o600


def test_the_program_takes_its_place() -> None:
    command = [sys.executable, "-I", str(PROGRAM), sys.executable, "-c", "import os; print(os.getpid())"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        output, _ = process.communicate(timeout=60)
    assert int(output) == process.pid


def test_a_missing_program_is_reported() -> None:
    command = [sys.executable, "-I", str(PROGRAM), "no-such-program"]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 127
    assert "no-such-program" in done.stderr


def test_a_missing_secret_stops_the_start() -> None:
    command = [sys.executable, "-I", str(PROGRAM), "true"]
    done = subprocess.run(
        command, env={"A": "{secret:no_such_secret}"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no_such_secret" in done.stderr
    assert "Traceback" not in done.stderr
