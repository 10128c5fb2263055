"""Answers to the questions of a draft: from a file, from the options, or asked for on a terminal."""

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
    from servicio_ml.pipeline.drafting.draft import Draft

OPTION = "--answers"
NAMES = ("target", "positive", "time")


def read_answers(path: Path | None, target: str) -> "DraftAnswers":
    """Read the answers of a TOML file; the target of the command line goes with them.

    Raises:
        SettingsError: The file cannot be read, is not TOML, has another name or a value that is no text, or
            names another target.
    """
    from servicio_ml.pipeline.drafting.answers import DraftAnswers

    found: dict[str, str] = {}
    for name, value in ({} if path is None else _read_file(path)).items():
        if name not in NAMES:
            raise SettingsError(OPTION, f"{path} has {name!r}; names are {format_names(NAMES)}")
        if not isinstance(value, str) or not value:
            raise SettingsError(OPTION, f"{name} in {path} is {value!r}; write a text in quotes")
        found[name] = value
    if target and found.get("target", target) != target:
        problem = f"{path} names the target {found['target']!r}, --target {target!r}; name one of them"
        raise SettingsError(OPTION, problem)
    return DraftAnswers(**{"target": target, **found})


def _read_file(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(OPTION, f"{path}: {getattr(error, 'strerror', None) or error}") from error


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def ask_for_target(columns: Sequence[str]) -> str:
    """Ask for the column to predict."""
    return _ask("column to predict", columns, columns[-1])


def ask_questions(draft: "Draft", answers: "DraftAnswers") -> "DraftAnswers":
    """Ask what a draft has guessed; the guess is the default."""
    asked = {each.answer: _ask(each.text, each.choices, each.guess) for each in draft.questions}
    guesses = {each.answer: each.guess for each in draft.questions}
    return answers if asked == guesses else replace(answers, **asked)


def _ask(text: str, choices: Sequence[str], default: str) -> str:
    def check(answer: str) -> str:
        if answer not in choices:
            # the question is asked again
            raise typer.BadParameter(f"{answer!r} is none of {format_names(choices)}")
        return answer

    return str(typer.prompt(f"{text} ({', '.join(choices)})", default=default, value_proc=check))
