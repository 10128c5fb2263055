"""The file that a draft is written to: its name, and the difference to one that is there."""

from difflib import unified_diff
from pathlib import Path

from servicio_ml.cli.session import CommandSession
from servicio_ml.domain.checks.attributes import SNAKE_CASE, SNAKE_CASE_RULE
from servicio_ml.errors import OutputError, UseCaseError


def check_name(name: str) -> None:
    """Check that a new use case can have a name.

    Raises:
        UseCaseError: The name is not in snake case, or that of a shipped use case.
    """
    from servicio_ml.use_cases.catalogue import load_catalogue

    if not SNAKE_CASE.fullmatch(name):
        raise UseCaseError(repr(name), f"names are {SNAKE_CASE_RULE}")
    if name in load_catalogue():
        raise UseCaseError(repr(name), "a shipped use case has that name; choose another")


def write_draft(here: CommandSession, path: Path, source: str, *, force: bool) -> bool:
    """Write a draft, unless a file is there; return whether something was written.

    Raises:
        UseCaseError: Another file is there; the difference has been printed.
        OutputError: The system refuses.
    """
    from servicio_ml import bootstrap

    try:
        before = path.read_text(encoding="utf-8") if path.exists() else None
        if before == source:
            here.print_line(f"{path}: unchanged")
            return False
        if before is not None and not force:
            _print_difference(here, path, before, source)
            raise UseCaseError(str(path), "the file is there and differs from the draft; --force replaces it")
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(path, str(getattr(error, "strerror", None) or error)) from error
    bootstrap.write_text(path, source)
    here.print_line(f"{path}: {len(source.splitlines())} lines, written")
    return True


def _print_difference(here: CommandSession, path: Path, before: str, after: str) -> None:
    lines = unified_diff(before.splitlines(), after.splitlines(), f"{path}", f"{path} (draft)", lineterm="")
    for line in lines:
        here.print_line(line)
