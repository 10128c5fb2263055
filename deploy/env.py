"""Write `.env` and the folder of secrets that the production stack starts with: `make env`.

It needs nothing but Python. What is there is never changed, unless one secret is to be renewed; what is
missing is made anew, at random. Killed midway, it is simply run again: `.env`, without which nothing starts,
comes last.
"""

import argparse
import fcntl
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy import once
from deploy.secrets_list import API_KEYS, KEY_FILES, NAMES, SECRETS
from servicio_ml.errors import ServicioError
from servicio_ml.serving.keys import digested, line

ROOT = Path(__file__).parents[1]
EXAMPLE, ENV, FOLDER = ".env.example", ".env", "secrets"
FOLDER_VARIABLE = "SECRETS_DIR"
"""Empty in `.env.example`, so that Compose refuses to start with a mere copy of it."""
ENV_MODE = 0o600
FOLDER_MODE = 0o700
SECRET_MODE = 0o444
"""Containers read the files as users of their own; nobody else gets through the folder, which is closed."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class EnvError(ServicioError):
    """The secrets cannot be made, or one of those that are there is no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of one file."""

    path: Path
    what: str


def make(root: Path, rotate: str = "") -> Iterator[Done]:
    """Make what is missing below `root`, and one secret anew.

    Raises:
        EnvError: A file that is there is empty, or the secret cannot be renewed alone.
    """
    _check_rotation(rotate)
    folder = root / (_value(root / ENV) or FOLDER)
    with _closed(folder):
        for place in (root, folder):
            once.tidy(place)
        for name in SECRETS:
            yield _secret(folder / name, renew=name == rotate)
        yield _keys(folder)
        yield _env(root, folder)


def _check_rotation(name: str) -> None:
    if not name:
        return
    if name not in SECRETS:
        problem = f"there is no secret {name!r}; there are {', '.join(SECRETS)}"
        raise EnvError(problem)
    if SECRETS[name].kept_by:
        problem = f"{name} cannot be renewed by its file alone: {SECRETS[name].kept_by}, then write the file"
        raise EnvError(problem)


@contextmanager
def _closed(folder: Path) -> Iterator[None]:
    """The folder, closed to other users and, as long as this takes, to other processes that make secrets."""
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    folder.chmod(FOLDER_MODE)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _secret(path: Path, *, renew: bool) -> Done:
    made = SECRETS[path.name].make
    if renew:
        once.replace(path, made(), SECRET_MODE)
        return Done(path=path, what="renewed")
    if not path.exists():
        once.create(path, made(), SECRET_MODE)
        return Done(path=path, what="written")
    _read(path)
    return Done(path=path, what="kept")


def _read(path: Path) -> str:
    text = path.read_text().strip()
    if not text:
        problem = f"{path} is empty; remove it and run `make env` again"
        raise EnvError(problem)
    return text


def _keys(folder: Path) -> Done:
    """The hashed keys hold the plain ones that are there; other lines of the file stay."""
    path = folder / API_KEYS
    plain = {name: _read(folder / name) for name in KEY_FILES}
    lines = {name: line(name, frozenset({KEY_FILES[name]}), key) for name, key in plain.items()}
    if not path.exists():
        once.create(path, "\n".join([*lines.values(), ""]), SECRET_MODE)
        return Done(path=path, what="written")
    there = path.read_text()
    missing = [name for name, key in plain.items() if digested(key) not in there]
    if not missing:
        return Done(path=path, what="kept")
    others = [each for each in there.splitlines() if each.partition(" ")[0] not in missing]
    once.replace(path, "\n".join([*others, *(lines[name] for name in missing), ""]), SECRET_MODE)
    return Done(path=path, what=f"brought up to {' and '.join(missing)}")


def _env(root: Path, folder: Path) -> Done:
    path = root / ENV
    if not path.exists():
        once.create(path, _filled((root / EXAMPLE).read_text(), root, folder), ENV_MODE)
        return Done(path=path, what="written")
    if path.stat().st_mode & OTHERS:
        path.chmod(ENV_MODE)
    if not _value(path):
        once.replace(path, _filled(path.read_text(), root, folder), ENV_MODE)
        return Done(path=path, what=f"kept, with {FOLDER_VARIABLE} filled in")
    return Done(path=path, what="kept")


def _value(path: Path) -> str:
    """Where `.env` says that the secrets are; empty where it does not."""
    if not path.exists():
        return ""
    found = [each.partition("=")[2] for each in path.read_text().splitlines() if _names_folder(each)]
    return found[-1].strip().strip("\"'") if found else ""


def _filled(text: str, root: Path, folder: Path) -> str:
    kept = [each for each in text.splitlines() if not _names_folder(each)]
    return "\n".join([*kept, f"{FOLDER_VARIABLE}=./{folder.relative_to(root)}", ""])


def _names_folder(text: str) -> bool:
    return text.partition("=")[0].strip() == FOLDER_VARIABLE


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m deploy.env", description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of .env.example")
    parser.add_argument("--rotate", default="", metavar="NAME", help="the one secret to make anew")
    given = parser.parse_args(arguments)
    try:
        done = list(make(given.root, given.rotate))
    except (EnvError, OSError) as error:
        print(f"make env: {error}", file=sys.stderr)
        return 1
    width = max(map(len, NAMES))
    for each in done:
        about = SECRETS[each.path.name].about if each.path.name in SECRETS else ""
        print(f"{each.path.name:<{width}}  {each.what:<8} {about}".rstrip())
    print(f"\nThe secrets are in {done[0].path.parent}. Next: docker compose --profile all up --detach")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
