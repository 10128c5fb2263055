"""`servicio-ml init`: draft the file of a use case from a raw file."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from servicio_ml.cli.drafting import answers as answering
from servicio_ml.cli.drafting.check import show_check
from servicio_ml.cli.drafting.run import run_draft
from servicio_ml.cli.drafting.target_file import check_name, write_draft
from servicio_ml.cli.options import (
    Debug,
    DraftAnswersFile,
    DraftName,
    DraftSource,
    DraftTarget,
    ForceDraft,
    Json,
    NeverAsk,
    PreviewDraft,
    RunDraft,
)
from servicio_ml.cli.session import CommandSession, open_session
from servicio_ml.errors import SettingsError, format_names

if TYPE_CHECKING:
    from servicio_ml.pipeline.drafting.answers import DraftAnswers
    from servicio_ml.pipeline.drafting.draft import Draft


def init(
    name: DraftName,
    source: DraftSource,
    target: DraftTarget = "",
    answers: DraftAnswersFile = None,
    force: ForceDraft = False,
    yes: NeverAsk = False,
    run: RunDraft = False,
    preview: PreviewDraft = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Draft `use_cases/NAME.py` from a raw file: fields, target, split and candidates, with reasons.

    The file goes into the folder of SERVICIO_ML_USE_CASES_DIR, or `use_cases` here. If it is there already,
    the difference is printed and nothing is changed without --force.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap

        check_name(name)
        given = answering.read_answers(answers, target)
        is_asking = not (yes or as_json) and answering.is_terminal()
        folder = here.settings.use_cases_dir
        with bootstrap.open_source(here.settings, source) as path:
            draft = _answer_and_draft(name, given, path, source, is_asking=is_asking)
        _show(here, draft)
        if preview:
            _show_preview(here, name, draft)
            return
        written = write_draft(here, folder / f"{name}.py", draft.source, force=force)
        document = {
            "use_case": name, "path": str(folder / f"{name}.py"), "written": written,
            "decisions": draft.decisions, "check": draft.check.to_json(),
        }  # fmt: skip
        if run:
            document["training"] = run_draft(here, draft.use_case, source)
        _show_next_commands(here, name, source, done=run)
        here.print_document(document)


def _answer_and_draft(
    name: str, answers: "DraftAnswers", path: Path, source: str, *, is_asking: bool
) -> "Draft":
    from servicio_ml.pipeline.drafting.draft import draft_use_case, list_columns

    if not answers.target:
        columns = list_columns(path, source)
        if not is_asking:
            problem = f"it is missing; name the column to predict: {format_names(columns)}"
            raise SettingsError("--target", problem)
        answers = replace(answers, target=answering.ask_for_target(columns))
    draft = draft_use_case(name, answers, path, source_name=source)
    if not is_asking:
        return draft
    chosen = answering.ask_questions(draft, answers)
    # what was confirmed is no guess any more
    draft = draft if chosen is answers else draft_use_case(name, chosen, path, source_name=source)
    return replace(draft, questions=())


def _show(here: CommandSession, draft: "Draft") -> None:
    for subject, reason in draft.decisions.items():
        here.print_line(f"{subject}: {reason}")
    for question in draft.questions:
        here.print_line(f"guessed: {question.text}: {question.guess} (of {format_names(question.choices)})")
    show_check(here, draft.check)


def _show_preview(here: CommandSession, name: str, draft: "Draft") -> None:
    from servicio_ml.pipeline.drafting.document import describe_draft

    here.print_line(draft.source)
    here.print_document({"use_case": name, "draft": describe_draft(draft), "check": draft.check.to_json()})


def _show_next_commands(here: CommandSession, name: str, source: str, *, done: bool) -> None:
    from shlex import quote

    here.print_line("next:")
    if done:
        here.print_line("  servicio-ml serve")
        return
    here.print_line(f"  servicio-ml check {name} --source {quote(source)}   # after each change of the file")
    here.print_line(f"  servicio-ml etl {name} --source {quote(source)}")
    here.print_line(f"  servicio-ml train {name}")
