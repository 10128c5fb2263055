"""Secrets get into a program's environment and files, and nowhere else."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from dockerfiles import entrypoint

from documents import ROOT

PROGRAM = ROOT / "dockerfiles" / "entrypoint.py"
EXEC = ROOT / "dockerfiles" / "exec.sh"


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


def test_it_waits_until_a_name_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = iter([False, False, True])

    def find_name(name: str, _: object) -> list[str]:
        assert name == "statsd"
        if not next(lookups):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ["found"]

    monkeypatch.setattr(socket, "getaddrinfo", find_name)
    monkeypatch.setattr(entrypoint, "BETWEEN_LOOKUPS_SECONDS", 0)
    assert entrypoint.wait_for_name("statsd")
    assert list(lookups) == []


def test_it_goes_on_without_a_name_that_never_resolves() -> None:
    # a domain that no server answers for
    assert not entrypoint.wait_for_name("statsd.invalid", seconds=0)


def test_the_program_starts_after_its_wait() -> None:
    command = [sys.executable, "-I", str(PROGRAM), "--wait-for=localhost", "echo", "started"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("started\n", "")


def test_exec_gives_a_program_its_secrets(tmp_path: Path) -> None:
    """`docker compose exec` starts the program by its name, without the entrypoint of the image."""
    script, program = tmp_path / "bin" / "airflow", tmp_path / "programs" / "airflow"
    for path in (script, program):
        path.parent.mkdir()
    (tmp_path / "secret").write_text("s3cret\n")
    script.write_text(EXEC.read_text().replace("/opt/entrypoint.py", str(tmp_path / "entrypoint.py")))
    source = PROGRAM.read_text().replace("/run/secrets", str(tmp_path))
    (tmp_path / "entrypoint.py").write_text(source)
    program.write_text('#!/bin/sh\necho "$GIVEN" "$@"\n')
    for path in (script, program):
        path.chmod(0o755)
    given = {"PATH": f"{script.parent}:{os.environ['PATH']}", "PROGRAMS": str(program.parent)}
    done = subprocess.run(
        ["airflow", "dags", "list"], env={**given, "GIVEN": "x://{secret:secret}"}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "x://s3cret dags list\n"


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
