"""The identifier of a row: a text beside its features, by which its ground truth finds its prediction."""

IDENTIFIER = "identifier"
"""Name of the identifier in requests, and in published rows; no model reads it."""
MAX_IDENTIFIER_CHARACTERS = 200
ALLOWED_IDENTIFIER = f"a text of at most {MAX_IDENTIFIER_CHARACTERS} characters, a whole number, or null"
# as the ETL strips them; Python's own white space has four control characters more
BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""White space of Unicode."""
Identifiers = tuple[str | None, ...]
"""Identifier of each row, None for a row without one; empty where no row has one."""


def parse_identifier(value: object) -> str | None:
    """Parse the identifier of a request; None where it is missing: null, or a text of blanks.

    Raises:
        ValueError: The value is no text or whole number, is too long, or cannot be stored.
    """
    # files have whole numbers, too; true is none
    given = str(value) if type(value) is int else value
    if given is None:
        return None
    text = given.strip(BLANKS) if isinstance(given, str) else None
    # PostgreSQL stores no U+0000
    if text is None or len(text) > MAX_IDENTIFIER_CHARACTERS or "\0" in text:
        raise ValueError(ALLOWED_IDENTIFIER)
    # half of a surrogate pair is a `UnicodeEncodeError`, which is a `ValueError`
    text.encode()
    return text or None


def normalize_identifiers(texts: list[str | None]) -> Identifiers:
    """Normalize the identifiers of rows: none at all where no row has one."""
    return tuple(texts) if any(texts) else ()
