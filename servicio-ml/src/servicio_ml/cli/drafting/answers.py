"""Answers to the questions of a draft: from a file, from the options, or asked for on a terminal."""

import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from servicio_ml.errors import SettingsError, format_names

if TYPE_CHECKING:
    from servicio_ml.pipeline.drafting.answers import DraftAnswers
    from servicio_ml.pipeline.drafting.corrections import ColumnCorrection
    from servicio_ml.pipeline.drafting.draft import Draft

OPTION = "--answers"
NAMES = ("target", "positive", "time")
COLUMNS = "columns"


def read_answers(path: Path | None, target: str) -> "DraftAnswers":
    """Read the answers of a TOML or JSON file; the target of the command line goes with them.

    Raises:
        SettingsError: The file cannot be read, is neither TOML nor JSON, has another name, a value that is
            no text or a wrong correction of a column, or names another target.
    """
    from servicio_ml.pipeline.drafting.answers import DraftAnswers

    found: dict[str, str] = {}
    document = {} if path is None else _read_file(path)
    columns = _parse_corrections(path, document.pop(COLUMNS, {}))
    for name, value in document.items():
        if name not in NAMES:
            raise SettingsError(OPTION, f"{path} has {name!r}; names are {format_names((*NAMES, COLUMNS))}")
        if not isinstance(value, str) or not value:
            raise SettingsError(OPTION, f"{name} in {path} is {value!r}; write a text in quotes")
        found[name] = value
    if target and found.get("target", target) != target:
        problem = f"{path} names the target {found['target']!r}, --target {target!r}; name one of them"
        raise SettingsError(OPTION, problem)
    return DraftAnswers(**{"target": target, **found}, columns=columns)


def _read_file(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(OPTION, f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(document, dict):
        raise SettingsError(OPTION, f"{path} holds no names; names are {format_names((*NAMES, COLUMNS))}")
    return document


def _parse_corrections(path: Path | None, document: object) -> dict[str, "ColumnCorrection"]:
    from servicio_ml.pipeline.drafting.corrections import parse_correction

    if not isinstance(document, dict):
        raise SettingsError(OPTION, f"columns in {path} is {document!r}; give a table for each column")
    try:
        return {name: parse_correction(name, each) for name, each in document.items()}
    except ValueError as error:
        raise SettingsError(OPTION, f"{path}: {error}") from error


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def ask_for_target(columns: Sequence[str]) -> str:
    """Ask for the column to predict."""
    from servicio_ml.pipeline.drafting.targets.suggestion import suggest_target

    return _ask("column to predict", columns, suggest_target(columns))


def ask_questions(draft: "Draft", answers: "DraftAnswers") -> "DraftAnswers":
    """Ask what a draft has guessed; the guess is the default."""
    asked = {each.answer: _ask(each.text, each.choices, each.guess) for each in draft.questions}
    guesses = {each.answer: each.guess for each in draft.questions}
    if asked == guesses:
        return answers
    return replace(
        answers, positive=asked.get("positive", answers.positive), time=asked.get("time", answers.time)
    )


def _ask(text: str, choices: Sequence[str], default: str) -> str:
    def check(answer: str) -> str:
        if answer not in choices:
            # the question is asked again
            raise typer.BadParameter(f"{answer!r} is none of {format_names(choices)}")
        return answer

    return str(typer.prompt(f"{text} ({', '.join(choices)})", default=default, value_proc=check))
