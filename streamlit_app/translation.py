"""The texts of the pages in the reader's language: written in English, translated by gettext catalogues.

The catalogues are `locales/<language>/LC_MESSAGES/<domain>.po`. Babel compiles them in memory when the pages
start, so that no build step can be forgotten.
"""

import re
import string
from collections.abc import Sequence
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

import streamlit as st
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = {"en": "English", "es": "Español"}
SOURCE_LANGUAGE = "en"
LOCALES = Path(__file__).with_name("locales")
SERVER = "server"
DOMAINS = ("pages", SERVER)
"""Catalogues of the pages' own texts, and of texts that the server sends: use cases, fields and reasons."""
LANGUAGE = "lang"
"""Key of the chosen language in the session and in the URL."""
MARKDOWN_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def get_language() -> str:
    """Return the code of the reader's language."""
    language: str = st.session_state.get(LANGUAGE, SOURCE_LANGUAGE)
    return language


def t(english: str, **values: object) -> str:
    """Translate a text of the pages.

    Args:
        english: Text as written, with placeholders such as `{model}`.
        values: Values of the placeholders.
    """
    text = translate(english)
    return text.format(**values) if values else text


def t_plural(singular: str, plural: str, number: int, **values: object) -> str:
    """Translate a text that depends on a number.

    Args:
        singular: English text for one.
        plural: English text for any other number.
        number: Number that selects the form; also the placeholder `{number}` unless `values` has one.
        values: Values of the placeholders.
    """
    text = load_translations(get_language()).ngettext(singular, plural, number)
    return text.format(**{"number": number, **values})


def translate(english: str) -> str:
    """Translate a text that the server sent; return it unchanged where the catalogues do not have it."""
    # gettext answers the empty text with the header of the catalogue
    return load_translations(get_language()).gettext(english) if english else english


def translate_filled(english: str) -> str:
    """Translate a text that the server filled with values; unchanged where no template fits."""
    translations = load_translations(get_language())
    for template, pattern in _load_templates(get_language()):
        if found := pattern.fullmatch(english):
            return translations.gettext(template).format(**found.groupdict())
    return translate(english)


def translate_phrases(english: str, phrases: Sequence[str]) -> str:
    """Translate the first place of each phrase in a text that the server sent; names and numbers stay.

    Args:
        english: Text.
        phrases: Phrases in the order in which they are translated: the longer one of two that overlap first.
    """
    for phrase in phrases:
        # a value may be called as a phrase is, such as `colour=above`
        english = re.sub(rf"(?<![\w=]){phrase}(?!\w)", translate(phrase), english, count=1)
    return english


@cache
def _load_templates(language: str) -> list[tuple[str, re.Pattern[str]]]:
    """Load the server's texts with placeholders and their patterns, those with the most fixed text first."""
    if language == SOURCE_LANGUAGE:
        return []
    texts = [str(each.id) for each in _read_catalogue(language, SERVER) if "{" in str(each.id)]
    texts.sort(key=lambda text: sum(len(fixed) for fixed, *_ in string.Formatter().parse(text)), reverse=True)
    return [(text, compile_template(text)) for text in texts]


def compile_template(text: str) -> re.Pattern[str]:
    """Compile the pattern of a text with placeholders; each is a group."""
    parts = string.Formatter().parse(text)
    return re.compile(
        "".join(re.escape(fixed) + (f"(?P<{name}>.+)" if name else "") for fixed, name, *_ in parts)
    )


@cache
def load_translations(language: str) -> NullTranslations:
    """Load all catalogues of a language.

    Raises:
        OSError: A catalogue of the language is missing.
    """
    translations = NullTranslations()
    if language != SOURCE_LANGUAGE:
        for domain in DOMAINS:
            catalogue = _compile(_read_catalogue(language, domain))
            catalogue.add_fallback(translations)
            translations = catalogue
    return translations


def _read_catalogue(language: str, domain: str) -> Catalog:
    with (LOCALES / language / "LC_MESSAGES" / f"{domain}.po").open("rb") as source:
        return read_po(source, locale=language, abort_invalid=True)


def _compile(catalogue: Catalog) -> GNUTranslations:
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def format_count(number: int) -> str:
    """Format a number with narrow spaces between thousands, which no language reads as a decimal sign."""
    return f"{number:,}".replace(",", "\u202f")


def escape_markdown(text: str) -> str:
    """Escape a text from outside, so that Markdown makes no link and no image of it."""
    return MARKDOWN_PUNCTUATION.sub(r"\\\g<0>", text)
