"""The texts of the use cases that ship are translated."""

import re

import pytest
from babel.messages.pofile import read_po

from draft_reasons import list_templates
from servicio_ml.domain.use_case import UseCase
from servicio_ml.use_cases.catalogue import load_catalogue
from streamlit_app.data.labels import PROBLEM_PHRASES
from streamlit_app.models.labels import GATE_PHRASES
from streamlit_app.new_use_case.reasons import QUARANTINE_PHRASES
from streamlit_app.translation import LOCALES

NAMES = {"brand", "location"}
"""Fields whose levels are names, in every language."""
SAME = {"N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S"}
"""Points of the compass that begin alike."""
WORD = re.compile("[a-z]{4,}")
"""A unit that is no symbol."""
REASONS = {"not in the file", *PROBLEM_PHRASES, *GATE_PHRASES, *QUARANTINE_PHRASES, *list_templates()}
"""Other texts of the server in the catalogue."""


@pytest.fixture(scope="module")
def texts() -> set[str]:
    """The English texts of the catalogue."""
    with (LOCALES / "es" / "LC_MESSAGES" / "server.po").open("rb") as file:
        return {str(message.id) for message in read_po(file, locale="es") if message.id}


def collect_texts(use_case: UseCase) -> set[str]:
    """Collect all texts of a use case that a page shows."""
    target, fields = use_case.target, use_case.schema.fields
    levels = {level for each in fields if each.name not in NAMES for level in each.levels}
    units = {unit for unit in (target.unit, *(each.unit for each in fields)) if WORD.fullmatch(unit)}
    descriptions = {target.description, *(each.description for each in fields)}
    return {use_case.title} | descriptions | (levels - SAME) | units | {*target.labels}


@pytest.mark.parametrize("use_case", load_catalogue().values(), ids=lambda each: each.name)
def test_its_texts_are_translated(use_case: UseCase, texts: set[str]) -> None:
    assert sorted(collect_texts(use_case) - texts) == []


def test_nothing_is_translated_that_no_use_case_says(texts: set[str]) -> None:
    assert sorted(texts - set().union(REASONS, *map(collect_texts, load_catalogue().values()))) == []
