"""The catalogues have every text of the pages, and nothing else."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from pages_app import ROOT
from streamlit_app.data.labels import PROBLEM_PHRASES
from streamlit_app.models.labels import GATE_PHRASES
from streamlit_app.translation import DOMAINS, LANGUAGES, LOCALES, SOURCE_LANGUAGE, load_translations

APP = ROOT / "streamlit_app"
SOURCES = sorted(APP.rglob("*.py"))
KEYWORDS = {"t": None, "t_plural": (1, 2)}
"""Functions of texts, as docs/pages.md gives them to pybabel."""
TRANSLATED = sorted(LANGUAGES.keys() - {SOURCE_LANGUAGE})


def extract(source: Path) -> set[str | tuple[str, ...]]:
    """Extract the texts of a file as pybabel does."""
    return {message[1] for message in extract_from_file("python", source, keywords=KEYWORDS)}


def read_catalogue(language: str, domain: str) -> Catalog:
    with (LOCALES / language / "LC_MESSAGES" / f"{domain}.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def list_messages(catalogue: Catalog) -> Iterator[tuple[str | tuple[str, ...], Message]]:
    for message in catalogue:
        if message.id:
            yield message.id if isinstance(message.id, str) else tuple(message.id), message


def find_placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def list_strings(text: object) -> list[str]:
    return [text] if isinstance(text, str) else [str(each) for each in text]  # type: ignore[attr-defined]


def list_text_arguments(source: Path) -> list[ast.expr]:
    """List the first arguments of the calls of `KEYWORDS` in a file."""
    calls = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)]
    return [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id in KEYWORDS]


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(APP)))
def test_each_text_is_translated(source: Path, language: str) -> None:
    known = {key for key, message in list_messages(read_catalogue(language, "pages")) if message.string}
    assert extract(source) - known == set()


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(APP)))
def test_each_text_is_found_by_the_extraction(source: Path) -> None:
    """Babel passes over calls inside f-strings, and over texts that are not literals."""
    texts = list_text_arguments(source) if source.name != "translation.py" else []
    found = {key if isinstance(key, str) else key[0] for key in extract(source)}
    assert [ast.unparse(each) for each in texts if not isinstance(each, ast.Constant)] == []
    assert {each.value for each in texts if isinstance(each, ast.Constant)} == found


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_message_is_obsolete(language: str) -> None:
    extracted = set().union(*map(extract, SOURCES))
    catalogue = read_catalogue(language, "pages")
    assert {key for key, _ in list_messages(catalogue)} - extracted == set()
    assert not catalogue.obsolete


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("domain", DOMAINS)
def test_each_message_is_complete(language: str, domain: str) -> None:
    catalogue = read_catalogue(language, domain)
    messages = list(list_messages(catalogue))
    assert [key for key, message in messages if message.fuzzy] == []
    assert [key for key, message in messages if not all(list_strings(message.string))] == []
    plurals = [message for key, message in messages if isinstance(key, tuple)]
    assert all(len(list_strings(message.string)) == catalogue.num_plurals for message in plurals)


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_translation_has_the_placeholders_of_its_text(language: str, domain: str) -> None:
    for key, message in list_messages(read_catalogue(language, domain)):
        allowed = set().union(*map(find_placeholders, list_strings(key)))
        *singular, last = map(find_placeholders, list_strings(message.string))
        assert last == allowed, key
        assert all(each <= allowed for each in singular), key


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_text_is_in_two_catalogues(language: str) -> None:
    pages, server = ({key for key, _ in list_messages(read_catalogue(language, each))} for each in DOMAINS)
    assert {key for key in pages & server if key not in PROBLEM_PHRASES} == set()


@pytest.mark.parametrize("language", TRANSLATED)
def test_phrases_of_the_etl_and_of_the_gates_are_translated(language: str) -> None:
    known = {key for domain in DOMAINS for key, _ in list_messages(read_catalogue(language, domain))}
    assert {*PROBLEM_PHRASES, *GATE_PHRASES} - known == set()


def test_the_configuration_extracts_python_files() -> None:
    with (LOCALES / "babel.cfg").open() as file:
        methods, _ = parse_mapping_cfg(file, "babel.cfg")  # type: ignore[no-untyped-call]
    assert methods == [("**.py", "python")]


def test_the_texts_are_found_by_this_test() -> None:
    assert "The server at {url} does not respond." in extract(APP / "errors.py")
    assert ("Score {rows} row", "Score {rows} rows") in extract(APP / "predict" / "file.py")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "Evaluar {rows} filas"), (1, "Evaluar {rows} fila"), (2, "Evaluar {rows} filas")]
)
def test_a_number_selects_the_form(number: int, text: str) -> None:
    assert load_translations("es").ngettext("Score {rows} row", "Score {rows} rows", number) == text


def test_unknown_and_empty_texts_stay_as_they_are() -> None:
    assert load_translations("es").gettext("unknown to all") == "unknown to all"
    assert load_translations("en").gettext("Send") == "Send"
