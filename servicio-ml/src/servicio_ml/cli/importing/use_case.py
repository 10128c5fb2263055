"""The use case of a model to import: an existing one, one of a file, or a draft from the rows."""

from pathlib import Path
from typing import TYPE_CHECKING

from servicio_ml.cli.drafting.check import show_check
from servicio_ml.cli.drafting.target_file import check_name, write_draft
from servicio_ml.cli.session import CommandSession
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import SettingsError

if TYPE_CHECKING:
    from servicio_ml.features.isolated.model_process import ModelDescription
    from servicio_ml.pipeline.importing.table import ModelRows

TWO = 2


def find_use_case(here: CommandSession, name: str, given: str, *, force: bool) -> UseCase | None:
    """Find the use case of a name, shipped or the user's; None where it is to be drafted.

    Args:
        here: The command.
        name: Name of the use case.
        given: Its file, which is copied to the user's use cases; or the name of an existing one.
        force: Whether another file of that name is replaced.

    Raises:
        SettingsError: What is given is another use case, or none.
    """
    folder = here.settings.use_cases_dir
    if given and Path(given).is_file():
        _copy_file(here, name, Path(given), folder / f"{name}.py", force=force)
    elif given and given != name:
        raise SettingsError(
            "--use-case", f"{given!r} is no file, and a model has the name of its use case, here {name!r}"
        )
    found = _load_use_case(name, folder / f"{name}.py")
    if given and found is None:
        raise SettingsError("--use-case", f"there is no use case {given!r}, and no such file")
    return found


def _load_use_case(name: str, path: Path) -> UseCase | None:
    from servicio_ml.use_cases.catalogue import load_catalogue
    from servicio_ml.use_cases.user_files import load_file

    if name in (shipped := load_catalogue()):
        return shipped[name]
    check_name(name)
    return load_file(path) if path.exists() else None


def _copy_file(here: CommandSession, name: str, file: Path, target: Path, *, force: bool) -> None:
    from servicio_ml.use_cases.user_files import load_file

    found = load_file(file)
    if found.name != name:
        raise SettingsError("--use-case", f"{file} is the use case {found.name!r}, not {name!r}")
    if file.resolve() != target.resolve():
        write_draft(here, target, file.read_text(encoding="utf-8"), force=force)


def choose_target(known: UseCase | None, target: str) -> tuple[str, ...]:
    """Choose the columns that may hold the ground truth: one for each dialect, or what the user names.

    Raises:
        SettingsError: The use case predicts another column.
    """
    if known is None:
        return (target,) if target else ()
    columns = [each.columns.get(known.target.name, known.target.column) for each in known.dialects]
    found = tuple(each for each in columns if isinstance(each, str))
    if target and target not in found:
        raise SettingsError("--target", f"the use case {known.name} predicts {known.target.column!r}")
    return (target,) if target else found


def draft(
    here: CommandSession,
    name: str,
    data: str,
    rows: "ModelRows",
    description: "ModelDescription",
    classes: tuple[str, ...],
    *,
    force: bool,
) -> UseCase:
    """Draft the use case of a model from its rows, with the model's columns and classes."""
    from servicio_ml import bootstrap
    from servicio_ml.domain.use_case import Task
    from servicio_ml.pipeline.drafting.answers import DraftAnswers
    from servicio_ml.pipeline.drafting.draft import draft_use_case
    from servicio_ml.pipeline.importing.draft import draft_unlabelled
    from servicio_ml.use_cases.user_files import load_file

    columns, path = rows.build_corrections(), here.settings.use_cases_dir / f"{name}.py"
    with bootstrap.open_source(here.settings, data) as source:
        if not rows.target:
            task = Task(description.task)
            text = draft_unlabelled(name, task, classes, columns, source, source_name=data)
            write_draft(here, path, text, force=force)
            return load_file(path)
        # of two classes the second is the positive one, as in the model's library
        positive = classes[1] if len(classes) == TWO else ""
        answers = DraftAnswers(target=rows.target, positive=positive, columns=columns)
        found = draft_use_case(name, answers, source, source_name=data)
    show_check(here, found.check)
    write_draft(here, path, found.source, force=force)
    return found.use_case
