"""Catalogue of the shipped use cases and of the user's, by name; a user's broken file disables itself alone."""

import importlib
import logging
import pkgutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from servicio_ml import use_cases
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import UnknownUseCaseError, UseCaseError, escape_unprintable
from servicio_ml.use_cases.user_files import get_use_case, list_files, load_file

DEFAULT = "rain_australia"
# modules of this package that are no use cases
OTHER_MODULES = frozenset({DEFAULT, "catalogue", "user_files"})

logger = logging.getLogger(__name__)


def load_catalogue(folder: Path | None = None) -> Mapping[str, UseCase]:
    """Load all use cases by name: the default first, then the shipped ones, then the user's.

    A broken file is left out and named in the log: it may not take the others with it.

    Args:
        folder: Folder of the user's use cases: one Python file with `USE_CASE` for each.

    Raises:
        UseCaseError: The folder is missing.
    """
    found = _load_shipped()
    for path, use_case in _load_folder(folder):
        if isinstance(use_case, UseCase):
            found[path.stem] = use_case
        else:
            logger.error("%s; this file is disabled", use_case)
    return found


def find(name: str, folder: Path | None = None) -> UseCase:
    """Find a use case by name; other files of the folder are not read.

    Raises:
        UnknownUseCaseError: No use case has the name.
        UseCaseError: The folder is missing, or the file of the use case is broken.
    """
    files, shipped = {path.stem: path for path in list_files(folder)}, _load_shipped()
    if name in shipped:
        if name in files:
            logger.error("%s; this file is disabled", _describe_taken_name(files[name]))
        return shipped[name]
    if name not in files:
        raise UnknownUseCaseError(name, [*shipped, *files])
    return load_file(files[name])


class UserFolder:
    """The user's folder as a server watches it: files are read again only after one of them has changed."""

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self._seen: tuple[object, ...] | None = None
        self._broken: dict[str, str] = {}
        self._use_cases: dict[str, UseCase] = {}

    def find_broken_files(self) -> Mapping[str, str]:
        """Return what is wrong with each broken file, by its name without the suffix; log it once."""
        with self._lock:
            self._refresh()
            return self._broken

    def list_titles(self) -> Mapping[str, str]:
        """Return the title of each use case, shipped or the user's, by its name."""
        with self._lock:
            self._refresh()
            return {name: use_case.title for name, use_case in self._use_cases.items()}

    def find_ramp(self, name: str) -> Ramp:
        """Return the ramp of a use case's rollouts; the default one where it has none, or has no use case."""
        with self._lock:
            self._refresh()
            use_case = self._use_cases.get(name)
        return (use_case.promotion.rollout if use_case else None) or Ramp()

    def _refresh(self) -> None:
        folder = self._folder if self._folder is not None and self._folder.is_dir() else None
        # helpers count, too: mending one mends the files that import it
        files = sorted(folder.glob("*.py")) if folder else []
        if (now := tuple((path, _read_change_time(path)) for path in files)) == self._seen:
            return
        self._seen, self._broken = now, {}
        self._use_cases = _load_shipped()
        for path, use_case in _load_folder(folder):
            if isinstance(use_case, UseCase):
                self._use_cases[path.stem] = use_case
            else:
                logger.error("%s; this file is disabled", use_case)
                self._broken[escape_unprintable(path.stem)] = str(use_case)


def _read_change_time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    # deleted meanwhile, or a link to a file that is not there, which loading reports
    except OSError:
        return 0


def _load_shipped() -> dict[str, UseCase]:
    names = [module.name for module in pkgutil.iter_modules(use_cases.__path__) if not module.ispkg]
    # the default is first in the mapping, and so in every list that people see
    every = (DEFAULT, *(name for name in names if name not in OTHER_MODULES))
    modules = {name: importlib.import_module(f"{use_cases.__name__}.{name}") for name in every}
    return {name: get_use_case(module, Path(str(module.__file__))) for name, module in modules.items()}


def _load_folder(folder: Path | None) -> Iterator[tuple[Path, UseCase | UseCaseError]]:
    shipped = _load_shipped()
    for path in list_files(folder):
        try:
            yield path, _describe_taken_name(path) if path.stem in shipped else load_file(path)
        except UseCaseError as error:
            yield path, error


def _describe_taken_name(path: Path) -> UseCaseError:
    return UseCaseError(str(path), "a shipped use case has that name; rename the file and its use case")
