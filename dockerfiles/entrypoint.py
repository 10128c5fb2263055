"""Start a program with secrets in its environment, where `docker inspect` does not show them.

`{secret:name}` in the value of a variable becomes the content of /run/secrets/name; in an address (`…://…`)
it is percent-encoded. A variable `SECRET_FILE_…` is `path:content`: the content goes into that file, which
nobody else may read, and the variable goes away. `--wait-for=name` before the command waits until the name of
another container resolves.
"""

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

SECRETS = Path("/run/secrets")
REFERENCE = re.compile(r"\{secret:(\w+)\}")
INTO_FILE = "SECRET_FILE_"
OWNER_ONLY = 0o600
COMMAND_NOT_FOUND = 127
WAIT_FOR = "--wait-for="
WAIT_SECONDS = 60.0
BETWEEN_LOOKUPS_SECONDS = 0.5


class SecretError(Exception):
    """A secret that is named is not there."""


def build_environment(given: Mapping[str, str], folder: Path = SECRETS) -> dict[str, str]:
    """The environment with every secret in its place.

    Raises:
        SecretError: One of them is missing or empty.
    """
    return {name: _fill(name, value, folder) for name, value in given.items()}


def write_files(filled: dict[str, str]) -> None:
    """Write the files that the environment asks for, and take them out of it."""
    for name in [name for name in filled if name.startswith(INTO_FILE)]:
        path, _, content = filled.pop(name).partition(":")
        # a restarted container finds what it wrote before
        Path(path).unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(handle, "w") as file:
            file.write(content)


def _fill(name: str, value: str, folder: Path) -> str:
    address = "://" in value

    def read_secret(found: re.Match[str]) -> str:
        content = _read(name, folder / found[1])
        return quote(content, safe="") if address else content

    return REFERENCE.sub(read_secret, value)


def _read(name: str, path: Path) -> str:
    try:
        content = path.read_text().strip()
    except OSError as error:
        problem = (
            f"{name} needs the secret {path}: {error.strerror}; run `make env`, and name it in the service"
        )
        raise SecretError(problem) from error
    if not content:
        problem = f"{name} needs the secret {path}, which is empty; remove its file and run `make env`"
        raise SecretError(problem)
    return content


def wait_for_name(name: str, seconds: float = WAIT_SECONDS) -> bool:
    """Wait until a name resolves; say whether it does."""
    end = time.monotonic() + seconds
    while not _is_known(name):
        if time.monotonic() > end:
            return False
        threading.Event().wait(BETWEEN_LOOKUPS_SECONDS)
    return True


def _is_known(name: str) -> bool:
    try:
        socket.getaddrinfo(name, None)
    except socket.gaierror:
        return False
    return True


def main(command: Sequence[str]) -> int:
    """Become the command."""
    if command and command[0].startswith(WAIT_FOR):
        name = command[0].removeprefix(WAIT_FOR)
        if not wait_for_name(name):
            sys.stderr.write(f"entrypoint: {name} does not resolve after {WAIT_SECONDS:.0f} s; going on\n")
        command = command[1:]
    try:
        filled = build_environment(os.environ)
        write_files(filled)
        os.execvpe(command[0], list(command), filled)  # noqa: S606  the image's own command
    except SecretError as error:
        problem, code = str(error), 1
    except OSError as error:
        problem, code = f"{command[0]}: {error}", COMMAND_NOT_FOUND
    sys.stderr.write(f"entrypoint: {problem}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
