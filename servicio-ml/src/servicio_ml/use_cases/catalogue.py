"""The catalogue: the shipped use cases and a user's own, found by name."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from servicio_ml import use_cases
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import ServicioError, UnknownUseCaseError, UseCaseError

DEFAULT = "rain_australia"


def catalogue(folder: Path | None = None) -> Mapping[str, UseCase]:
    """Every use case by name, the default first, a user's own after the shipped ones.

    Args:
        folder: Where a user's own are: one Python file each, holding `USE_CASE`.

    Raises:
        UseCaseError: The folder is not there, a file is wrong, or its name is taken or another than its file's.
    """
    found = {DEFAULT: _of(importlib.import_module(f"{use_cases.__name__}.{DEFAULT}"), DEFAULT)}
    for module in pkgutil.iter_modules(use_cases.__path__):
        if module.name not in {DEFAULT, "catalogue"}:
            found[module.name] = _of(
                importlib.import_module(f"{use_cases.__name__}.{module.name}"), module.name
            )
    for path in _files(folder):
        if path.stem in found:
            raise UseCaseError(
                str(path), "a shipped use case has that name; rename the file and its use case"
            )
        found[path.stem] = _of(_imported(path), path.stem)
    return found


def find(name: str, folder: Path | None = None) -> UseCase:
    """One use case by name.

    Raises:
        UnknownUseCaseError: There is none of that name.
    """
    every = catalogue(folder)
    if name not in every:
        raise UnknownUseCaseError(name, every)
    return every[name]


def _files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    if not folder.is_dir():
        raise UseCaseError(str(folder), "SERVICIO_ML_USE_CASES_DIR names no folder; make it or unset it")
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"servicio_ml_user.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UseCaseError(str(path), "it cannot be loaded as a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ServicioError as error:
        raise UseCaseError(str(path), str(error)) from error
    except Exception as error:
        raise UseCaseError(
            str(path), f"{type(error).__name__}: {error}; mend the file or move it away"
        ) from error
    return module


def _of(module: ModuleType, name: str) -> UseCase:
    use_case = getattr(module, "USE_CASE", None)
    where = module.__file__ or name
    if not isinstance(use_case, UseCase):
        raise UseCaseError(where, "it must hold USE_CASE = UseCase(...)")
    if use_case.name != name:
        raise UseCaseError(where, f"it defines {use_case.name!r}; name the file {use_case.name}.py")
    return use_case
