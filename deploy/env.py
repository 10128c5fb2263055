"""Write `.env` and the secrets of the production stack, and let containers read mounted files: `make env`.

It needs the standard library only. It generates the missing secrets and keeps the existing ones, except the
one that `--rotate` names. After an interruption, run it again: `.env`, which the stack requires, comes last.
"""

import argparse
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy import atomic_file
from deploy.mounted_files import open_mounted_files
from deploy.secrets_list import API_KEYS, KEY_FILES, SECRET_FILES, SECRETS
from servicio_ml.errors import ServicioError
from servicio_ml.serving.http.api_keys import format_key_line, hash_key

if sys.platform != "win32":
    import fcntl

ROOT = Path(__file__).parents[1]
EXAMPLE, ENV, FOLDER = ".env.example", ".env", "secrets"
FOLDER_VARIABLE = "SECRETS_DIR"
"""Variable in `.env` with the folder of secrets; empty in `.env.example`, so that Compose refuses a copy."""
ENV_MODE = 0o600
FOLDER_MODE = 0o700
SECRET_MODE = 0o444
"""Permissions of a secret: containers read it as various users, and the folder keeps all others out."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO
NEXT = "docker compose --profile all up --detach --build"


class EnvError(ServicioError):
    """The secrets cannot be generated, or an existing one is invalid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """Outcome for one file."""

    path: Path
    outcome: str


def make_secrets(root: Path, rotate: str = "") -> Iterator[FileResult]:
    """Generate the missing secrets below `root` and renew one secret; yield the outcome for each file.

    Args:
        root: Folder of `.env.example`.
        rotate: Name of the secret to renew; empty for none.

    Raises:
        EnvError: An existing file is empty, or the secret cannot be renewed by its file alone.
    """
    _check_rotation(rotate)
    folder = root / (_read_secrets_folder(root / ENV) or FOLDER)
    with _lock_folder(folder):
        for place in (root, folder):
            atomic_file.remove_unfinished(place)
        for name in SECRETS:
            yield _ensure_secret(folder / name, renew=name == rotate)
        yield _ensure_api_keys(folder)
        yield _ensure_env(root, folder)


def _check_rotation(name: str) -> None:
    if not name:
        return
    if name not in SECRETS:
        problem = f"there is no secret {name!r}; the secrets are {', '.join(SECRETS)}"
        raise EnvError(problem)
    if SECRETS[name].renewal_step:
        problem = (
            f"{name} cannot be renewed by its file alone: {SECRETS[name].renewal_step}; then write the file"
        )
        raise EnvError(problem)


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Create the folder, closed to other users, and lock it against other processes that generate secrets.

    Windows opens no folder, and has no such lock: run one `make env` at a time there.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    folder.chmod(FOLDER_MODE)
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _ensure_secret(path: Path, *, renew: bool) -> FileResult:
    made = SECRETS[path.name].generate
    if renew:
        atomic_file.replace(path, made(), SECRET_MODE)
        return FileResult(path=path, outcome="renewed")
    if not path.exists():
        atomic_file.create(path, made(), SECRET_MODE)
        return FileResult(path=path, outcome="written")
    _read_secret(path)
    return FileResult(path=path, outcome="kept")


def _read_secret(path: Path) -> str:
    text = path.read_text().strip()
    if not text:
        problem = f"{path} is empty; remove it and run `make env` again"
        raise EnvError(problem)
    return text


def _ensure_api_keys(folder: Path) -> FileResult:
    """Add the hashes of the plain keys to the file of API keys; other lines stay."""
    path = folder / API_KEYS
    plain = {name: _read_secret(folder / name) for name in KEY_FILES}
    lines = {name: format_key_line(name, frozenset({KEY_FILES[name]}), key) for name, key in plain.items()}
    if not path.exists():
        atomic_file.create(path, "\n".join([*lines.values(), ""]), SECRET_MODE)
        return FileResult(path=path, outcome="written")
    there = path.read_text()
    missing = [name for name, key in plain.items() if hash_key(key) not in there]
    if not missing:
        return FileResult(path=path, outcome="kept")
    others = [each for each in there.splitlines() if each.partition(" ")[0] not in missing]
    atomic_file.replace(path, "\n".join([*others, *(lines[name] for name in missing), ""]), SECRET_MODE)
    return FileResult(path=path, outcome=f"updated with {' and '.join(missing)}")


def _ensure_env(root: Path, folder: Path) -> FileResult:
    path = root / ENV
    if not path.exists():
        atomic_file.create(path, _fill_in_folder((root / EXAMPLE).read_text(), root, folder), ENV_MODE)
        return FileResult(path=path, outcome="written")
    if path.stat().st_mode & OTHERS:
        path.chmod(ENV_MODE)
    if not _read_secrets_folder(path):
        atomic_file.replace(path, _fill_in_folder(path.read_text(), root, folder), ENV_MODE)
        return FileResult(path=path, outcome=f"kept, with {FOLDER_VARIABLE} filled in")
    return FileResult(path=path, outcome="kept")


def _read_secrets_folder(path: Path) -> str:
    """Read the folder of secrets from `.env`; empty where it is not set."""
    if not path.exists():
        return ""
    found = [each.partition("=")[2] for each in path.read_text().splitlines() if _is_folder_line(each)]
    return found[-1].strip().strip("\"'") if found else ""


def _fill_in_folder(text: str, root: Path, folder: Path) -> str:
    kept = [each for each in text.splitlines() if not _is_folder_line(each)]
    return "\n".join([*kept, f"{FOLDER_VARIABLE}=./{folder.relative_to(root)}", ""])


def _is_folder_line(text: str) -> bool:
    return text.partition("=")[0].strip() == FOLDER_VARIABLE


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m deploy.env", description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of .env.example")
    parser.add_argument("--rotate", default="", metavar="NAME", help="secret to renew")
    given = parser.parse_args(arguments)
    try:
        done = list(make_secrets(given.root, given.rotate))
        opened = open_mounted_files(given.root)
    except (EnvError, OSError) as error:
        print(f"make env: {error}", file=sys.stderr)
        return 1
    width = max(map(len, SECRET_FILES))
    for each in done:
        about = SECRETS[each.path.name].about if each.path.name in SECRETS else ""
        print(f"{each.path.name:<{width}}  {each.outcome:<8} {about}".rstrip())
    if opened:
        print(f"\nOpened to the containers, which run as other users: {len(opened)} files and folders")
    print(f"\nThe secrets are in {done[0].path.parent}. Next: {NEXT}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
