"""The reasons of a draft are shown in the reader's language."""

import ast
from collections.abc import Iterator

import pytest
import streamlit as st
from babel.messages.pofile import read_po

from draft_reasons import list_template_arguments, list_templates
from servicio_ml.pipeline.drafting import reasons as drafted
from streamlit_app.new_use_case import reasons
from streamlit_app.new_use_case.reasons import translate_quarantine, translate_reason
from streamlit_app.translation import LANGUAGE, LANGUAGES, LOCALES, SOURCE_LANGUAGE


@pytest.fixture
def spanish() -> Iterator[None]:
    st.session_state[LANGUAGE] = "es"
    yield
    del st.session_state[LANGUAGE]


@pytest.mark.parametrize("language", sorted(LANGUAGES.keys() - {SOURCE_LANGUAGE}))
def test_each_template_is_translated(language: str) -> None:
    with (LOCALES / language / "LC_MESSAGES" / "server.po").open("rb") as file:
        known = {message.id for message in read_po(file, locale=language) if message.string}
    assert sorted(list_templates() - known) == []


def test_each_template_is_a_literal_of_one_sentence() -> None:
    assert [
        ast.unparse(each) for each in list_template_arguments() if not isinstance(each, ast.Constant)
    ] == []
    assert [each for each in list_templates() if reasons.SEPARATOR in each] == []
    assert reasons.SEPARATOR == drafted.SEPARATOR


@pytest.mark.usefixtures("spanish")
@pytest.mark.parametrize(
    ("english", "translated"),
    [
        ("whole numbers, 0 to 6 in the file", "números enteros, de 0 a 6 en el archivo"),
        (
            "numbers with text around them, such as '$1', 1 to 9 in the file; as asked",
            "números con texto alrededor, como '$1'; de 1 a 9 en el archivo; como se pidió",
        ),
        ("3 levels (a, b, c); they ascend in this order", "3 niveles (a, b, c); en orden ascendente"),
        (
            "'rented' is the positive class, 41.8% of the rows; the rarer one",
            "'rented' es la clase positiva, el 41.8% de las filas; es la menos frecuente",
        ),
        # an example with the separator: what is not recognized stays
        (
            "it is 'a; b' in every row; as you corrected it",
            "it is 'a; b' in every row; como usted lo corrigió",
        ),
        ("as of a later release", "as of a later release"),
    ],
)
def test_a_reason_is_translated_with_its_values(english: str, translated: str) -> None:
    assert translate_reason(english) == translated


@pytest.mark.usefixtures("spanish")
def test_a_sentence_on_the_quarantine_is_translated() -> None:
    english = "rows: it is not a whole number from 1 to 9 (such as '0'): 86 rows, first in line 2"
    spanish = "rows: no es un número entero de 1 a 9 (como '0'): 86 filas, la primera en la línea 2"
    assert translate_quarantine(english) == spanish


def test_in_english_a_reason_stays() -> None:
    assert (
        translate_reason("as you corrected it; 3 levels (a, b, c)")
        == "as you corrected it; 3 levels (a, b, c)"
    )
