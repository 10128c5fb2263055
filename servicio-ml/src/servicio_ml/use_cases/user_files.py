"""A user's files of use cases: they are read with their helpers, and what is wrong is reported with its line."""

import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import ServicioError, UseCaseError

MAX_SHOWN_CHARACTERS = 300
DEFAULT_FOLDER = Path("use_cases")
"""Folder of a user who names none; it need not be there."""


def list_files(folder: Path | None) -> list[Path]:
    """List the files of use cases in a folder; those that begin with `_` are helpers.

    Raises:
        UseCaseError: The folder is missing.
    """
    if folder is None or (folder == DEFAULT_FOLDER and not folder.exists()):
        return []
    if not folder.is_dir():
        raise UseCaseError(str(folder), "SERVICIO_ML_USE_CASES_DIR names no folder; make it or unset it")
    # sorted, as `glob` gives the order of the file system
    return sorted(path for path in folder.absolute().glob("*.py") if not path.name.startswith("_"))


def load_file(path: Path) -> UseCase:
    """Load the use case of a file.

    Raises:
        UseCaseError: The file is wrong; the message names the line.
    """
    with _import_helpers(path.parent):
        return get_use_case(_import_file(path), path)


def get_use_case(module: ModuleType, path: Path) -> UseCase:
    """Return the use case of a module.

    Raises:
        UseCaseError: The module has none, or its name differs from that of the file.
    """
    use_case = getattr(module, "USE_CASE", None)
    if not isinstance(use_case, UseCase):
        raise UseCaseError(str(path), "it must hold USE_CASE = UseCase(...)")
    if use_case.name != path.stem:
        raise UseCaseError(str(path), f"it defines {use_case.name!r}; name the file {use_case.name}.py")
    return use_case


@contextmanager
def _import_helpers(folder: Path) -> Iterator[None]:
    """Let files of a folder import each other while one of them is read."""
    known, entry = set(sys.modules), str(folder)
    added = entry not in sys.path
    if added:
        # last, so that no file of the user hides an installed module
        sys.path.append(entry)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if added:
            sys.path.remove(entry)
        # another folder may have a helper of the same name, and an edited helper is read again
        for name in set(sys.modules) - known:
            if Path(getattr(sys.modules[name], "__file__", None) or "").parent == folder:
                del sys.modules[name]


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"servicio_ml_user.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UseCaseError(str(path), "it cannot be loaded as a Python file")
    module = importlib.util.module_from_spec(spec)
    # dataclasses look up the module of their class there
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    # the file is a user's code and may raise anything, or end the process
    except BaseException as error:
        raise UseCaseError(_describe_place(error, path), _describe_error(error)) from error
    return module


def _describe_place(error: BaseException, path: Path) -> str:
    """Describe the line that raises, and the line of the file that leads there."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).parent == path.parent and frame.lineno
    ]
    if not frames:
        return str(path)
    outer, inner = frames[0], frames[-1]
    if inner.filename != str(path):
        return f"{path}, line {outer.lineno} (in {Path(inner.filename).name}, line {inner.lineno})"
    led = f" (from line {outer.lineno})" if outer.lineno != inner.lineno else ""
    return f"{path}, line {inner.lineno}{led}"


def _describe_error(error: BaseException) -> str:
    if isinstance(error, UseCaseError):
        return f"{error.where}: {error.problem}"
    if isinstance(error, ServicioError):
        return str(error)
    # one line, whatever the exception says, and if it says nothing
    try:
        text = " ".join(str(error).split())[:MAX_SHOWN_CHARACTERS]
    except Exception:  # noqa: BLE001  the user's own class writes it
        text = "its message cannot be read"
    return f"{type(error).__name__}: {text}; fix the file or move it away"
