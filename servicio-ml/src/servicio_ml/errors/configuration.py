"""Errors of use cases, settings and programs."""

from collections.abc import Iterable
from difflib import get_close_matches

from servicio_ml.errors.base import ServicioError, escape_unprintable, format_names


class UseCaseError(ServicioError):
    """A use case is not usable.

    Args:
        where: Use case, file or part of the schema.
        problem: Description of the error and of its remedy.
    """

    def __init__(self, where: str, problem: str) -> None:
        self.where, self.problem = where, problem
        super().__init__(escape_unprintable(f"use case {where}: {problem}"))


class UnknownUseCaseError(UseCaseError):
    """No use case has the given name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = get_close_matches(name, names, n=1) or [each for each in names if name in each]
        hint = f"did you mean {close[0]}? " if close else ""
        self.where, self.problem = repr(name), "unknown"
        ServicioError.__init__(
            self,
            f"unknown use case {name!r}: {escape_unprintable(f'{hint}known are {format_names(names)}')}; "
            "your own go into the folder named by SERVICIO_ML_USE_CASES_DIR",
        )


class SettingsError(ServicioError):
    """A setting is missing or wrong."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"setting {setting}: {problem}")


class ProgramError(ServicioError):
    """A program that a command runs is missing or fails."""

    def __init__(self, program: str, problem: str) -> None:
        super().__init__(f"program {program}: {problem}")
