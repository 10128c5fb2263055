"""Environments of isolated models: each a folder with an interpreter and the libraries of a model."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from servicio_ml.errors import ArtifactError, OutputError, ProgramError, escape_unprintable
from servicio_ml.features.isolated.worker_document import WORKER, read_worker_document

DEFAULT_ENVIRONMENTS = Path("var/environments")
COMPLETE = "complete"
"""File of an environment that is complete."""
NAME_CHARACTERS = 16
MAX_OUTPUT = 2000
"""Maximum number of characters of pip's output in a message; its end says what has failed."""


class _Folder:
    """Folder of the environments of this machine; one a process, as its settings are."""

    path = DEFAULT_ENVIRONMENTS


def set_environments_folder(folder: Path) -> None:
    """Set the folder of the environments of this process, once at its start."""
    _Folder.path = folder


def name_environment(requirements: Path) -> str:
    """Name the environment of a requirements file by its digest.

    Raises:
        ArtifactError: The file cannot be read.
    """
    try:
        return hashlib.sha256(requirements.read_bytes()).hexdigest()[:NAME_CHARACTERS]
    except OSError as error:
        raise ArtifactError(str(requirements), f"cannot be read: {error}; import the model again") from error


def find_interpreter(model: str, name: str) -> Path:
    """Find the interpreter of an environment; of an empty name, that of this process.

    Raises:
        ArtifactError: The environment is absent or incomplete; the message says how to make it.
    """
    if not name:
        return Path(sys.executable)
    folder = _Folder.path / name
    if not (folder / COMPLETE).exists():
        problem = f"its environment {name} is not in {_Folder.path}"
        raise ArtifactError(model, f"{problem}; run `servicio-ml environment {model}` on this machine")
    return (folder / "bin" / "python").absolute()


def create_environment(requirements: Path) -> str:
    """Create the environment of a hashed requirements file, unless it exists, and return its name.

    Every requirement needs a version and its hashes: `uv pip compile --generate-hashes` writes them.

    Raises:
        ArtifactError: The file cannot be read.
        OutputError: The folder of the environments cannot be written.
        ProgramError: pip has not installed a requirement; the message has the end of its output.
    """
    name = name_environment(requirements)
    target = _Folder.path / name
    if (target / COMPLETE).exists():
        return name
    try:
        _Folder.path.mkdir(parents=True, exist_ok=True)
        # under another name until it is complete: a half-made one is never found
        scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=_Folder.path))
    except OSError as error:
        raise OutputError(str(_Folder.path), str(error)) from error
    try:
        _fill_environment(scratch, requirements)
        _move_environment(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return name


def ensure_environment(artifact: Path) -> Path | None:
    """Create the environment that an artifact names, unless it exists.

    Args:
        artifact: Artifact folder of any model.

    Returns:
        Folder of the environment; None where the model needs none.

    Raises:
        ServicioError: As in `create_environment`; or the document of the model names another environment
            than that of its requirements.
    """
    if not (artifact / WORKER).exists():
        return None
    document = read_worker_document(artifact)
    if not document.python:
        return None
    requirements = artifact / document.requirements
    if (name := name_environment(requirements)) != document.python:
        problem = f"names the environment {document.python}, but its requirements are those of {name}"
        raise ArtifactError(str(artifact / WORKER), f"{problem}; import the model again")
    return _Folder.path / create_environment(requirements)


def _fill_environment(folder: Path, requirements: Path) -> None:
    _run([sys.executable, "-I", "-m", "venv", "--clear", str(folder)])
    _run(
        [
            str(folder / "bin" / "python"), "-I", "-m", "pip", "install", "--disable-pip-version-check",
            "--no-input", "--require-hashes",
            # building from source would run code of the package, outside of any sandbox
            "--only-binary", ":all:", "-r", str(requirements),
        ]
    )  # fmt: skip
    (folder / COMPLETE).touch()


def _move_environment(made: Path, target: Path) -> None:
    try:
        made.rename(target)
    except OSError as error:
        # another process was faster, with equal content
        if not (target / COMPLETE).exists():
            raise OutputError(str(target), str(error)) from error


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603  Python and pip of the environment
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    except OSError as error:
        raise ProgramError(command[0], str(error)) from error
    if done.returncode:
        output = escape_lines(done.stdout.decode(errors="replace"))
        program = " ".join(command[2:4])
        raise ProgramError(program, f"exit code {done.returncode}: {output}")


def escape_lines(output: str) -> str:
    """Return the end of a program's output in one line, with its control characters escaped."""
    lines = " | ".join(line.strip() for line in output.splitlines() if line.strip())
    return escape_unprintable(lines[-MAX_OUTPUT:])
