"""Identifiers of rows as requests have them."""

import sys

import polars as pl
import pytest

from servicio_ml.domain.fields.identifier import BLANKS, normalize_identifiers, parse_identifier


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("892", "892"),
        (892, "892"),
        (-7, "-7"),
        (10**30, "1" + "0" * 30),
        (" \u3000007\t", "007"),
        ("a\nb", "a\nb"),
        (" " * 300 + "x" * 200, "x" * 200),
        ("\U0001f34e" * 200, "\U0001f34e" * 200),
        ("", None),
        (" \u2028", None),
        (None, None),
    ],
    ids=str,
)
def test_texts_and_whole_numbers(value: object, expected: str | None) -> None:
    assert parse_identifier(value) == expected


@pytest.mark.parametrize(
    "value",
    ["x" * 201, 10**200, 10**5000, "a\0b", "\ud800", 892.0, float("nan"), True, b"892", ["892"], {"a": 1}],
    ids=lambda value: repr(value)[:9] if value != 10**5000 else "huge",
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the caller names the value
        parse_identifier(value)


def test_blanks_are_those_that_the_etl_strips() -> None:
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    stripped = pl.Series(characters).str.strip_chars()
    assert sorted(BLANKS) == [each for each, rest in zip(characters, stripped, strict=True) if not rest]


def test_rows_without_identifiers_need_no_place() -> None:
    assert normalize_identifiers([None, None]) == ()
    assert normalize_identifiers([None, "a"]) == (None, "a")
