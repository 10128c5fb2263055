"""Answers of the user to what a raw file leaves open, and the questions that remain."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from servicio_ml.pipeline.drafting.corrections import ColumnCorrection


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftAnswers:
    """Answers of the user; an empty one is inferred.

    Attributes:
        target: Raw column to predict.
        positive: Label of the positive class.
        time: Raw column of the date by which rows are split.
        columns: Corrections by raw column; of a target that is a number, its range.
    """

    target: str
    positive: str = ""
    time: str = ""
    columns: Mapping[str, ColumnCorrection] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftQuestion:
    """Something that was guessed.

    Attributes:
        answer: Name of the attribute of `DraftAnswers`.
        text: Question for the user.
        choices: Possible answers.
        guess: Answer that the draft has.
    """

    answer: str
    text: str
    choices: tuple[str, ...]
    guess: str
