"""Every text of the pages has its Spanish."""

import ast
import string
from pathlib import Path

import pytest

from pages_app import ROOT
from streamlit_app.spanish import PARTS, SPANISH, use_cases

OF_SERVERS = {"not in the file"}
"""What servers say, besides the texts of the use cases."""
SOURCES = sorted((ROOT / "streamlit_app").rglob("*.py"))


def texts(source: Path) -> list[str]:
    """The literals given to `t`."""
    calls = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "t"]
    return [
        call.args[0].value
        for call in named
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    ]


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_text_is_translated(source: Path) -> None:
    assert [text for text in texts(source) if text not in SPANISH] == []


def test_nothing_is_translated_that_no_page_says() -> None:
    trees = [ast.parse(source.read_text()) for source in SOURCES if source.parent.name != "spanish"]
    said = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert [english for english in SPANISH if english not in {*said, *use_cases.TEXTS, *OF_SERVERS}] == []


def test_a_translation_has_the_places_of_its_text() -> None:
    odd = [english for english, spanish in SPANISH.items() if places(english) != places(spanish)]
    assert odd == []


def test_no_text_is_translated_in_two_places() -> None:
    assert sum(map(len, PARTS)) == len(SPANISH)


def test_the_texts_are_found_by_this_test() -> None:
    assert "The server at {url} does not answer." in texts(ROOT / "streamlit_app" / "trouble.py")
