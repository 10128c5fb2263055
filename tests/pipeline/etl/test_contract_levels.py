"""Levels that a category learns from the training rows, and words that a text learns."""

from collections.abc import Sequence

import polars as pl

from servicio_ml.adapters.console import SilentProgress
from servicio_ml.domain.fields.words import LearnedWords
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, LearnedLevels
from servicio_ml.pipeline.etl.contract import select_levels


class _Reports(SilentProgress):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def report(self, line: str) -> None:
        self.lines.append(line)


def _select_words(texts: Sequence[str | None], **rule: int) -> tuple[tuple[str, ...], list[str]]:
    field = Field(name="make", kind=Kind.TEXT, nullable=True, learned_words=LearnedWords(**rule))
    reports = _Reports()
    rows = pl.LazyFrame({"make": texts}, schema={"make": pl.String})
    schema = select_levels(FeatureSchema(fields=(field,)), rows, reports)
    return schema.fields[0].words, reports.lines


def _select(texts: Sequence[str | None], **rule: int) -> tuple[tuple[str, ...], list[str]]:
    field = Field(name="make", kind=Kind.CATEGORY, nullable=True, learned_levels=LearnedLevels(**rule))
    reports = _Reports()
    rows = pl.LazyFrame({"make": texts}, schema={"make": pl.String})
    schema = select_levels(FeatureSchema(fields=(field,)), rows, reports)
    return schema.fields[0].levels, reports.lines


def test_the_most_frequent_texts_are_levels_and_the_rest_is_other() -> None:
    texts = ["b"] * 3 + ["a"] * 5 + ["c"] * 3 + ["d"] * 2 + [None] * 9
    assert _select(texts, minimum_rows=2) == (
        ("a", "b", "c", "d", "other"),
        ["make: 4 of 4 texts are levels; the others, in 0 training rows, are 'other'"],
    )
    assert _select(texts, maximum=2, minimum_rows=1) == (
        ("a", "b", "other"),
        ["make: 2 of 4 texts are levels; the others, in 5 training rows, are 'other'"],
    )
    assert _select(texts, minimum_rows=6)[0] == ("other",)
    assert _select([], minimum_rows=1)[0] == ("other",)


def test_texts_that_are_no_names_of_levels_are_others() -> None:
    texts = ["missing", "other", "two\nlines", "bell\x07", "good"] * 2
    assert _select(texts, minimum_rows=1)[0] == ("good", "other")


def test_the_words_of_most_rows_are_learned() -> None:
    texts = ["Red, red box!", "a RED Año", "box año 2", None, "", "two_words"]
    assert _select_words(texts, minimum_rows=2) == (
        ("año", "box", "red"),
        ["make: 3 words are learned, each in 2 rows or more"],
    )
    assert _select_words(texts, minimum_rows=1, maximum=4)[0] == ("año", "box", "red", "2")
    assert _select_words([], minimum_rows=1)[0] == ()
