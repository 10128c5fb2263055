"""The use cases that ship are told in Spanish too."""

import re

import pytest

from servicio_ml.domain.use_case import UseCase
from servicio_ml.use_cases.catalogue import catalogue
from streamlit_app.spanish.use_cases import TEXTS

NAMES = {"brand", "location"}
"""Fields whose levels are names, in every language."""
SAME = {"N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S"}
"""Points of the compass that begin alike."""
WORD = re.compile("[a-z]{4,}")
"""A unit that is no symbol."""


def words(use_case: UseCase) -> set[str]:
    """Everything of a use case that a page shows as words."""
    target, fields = use_case.target, use_case.schema.fields
    levels = {level for each in fields if each.name not in NAMES for level in each.levels}
    units = {unit for unit in (target.unit, *(each.unit for each in fields)) if WORD.fullmatch(unit)}
    told = {use_case.name, use_case.title, target.description, *(each.description for each in fields)}
    return told | (levels - SAME) | units | {*target.labels}


@pytest.mark.parametrize("use_case", catalogue().values(), ids=lambda each: each.name)
def test_its_words_have_their_spanish(use_case: UseCase) -> None:
    assert sorted(words(use_case) - TEXTS.keys()) == []


def test_nothing_is_translated_that_no_use_case_says() -> None:
    assert sorted(TEXTS.keys() - set().union(*map(words, catalogue().values()))) == []
