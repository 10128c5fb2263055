"""Marks at the start or end of a text that are no data, each refused with what to do."""

import re

from servicio_ml.pipeline.reading.formats.foreign_formats import UnknownFormatError

BYTE_ORDER_MARK = "\ufeff"
DELIMITER_LINE = re.compile(r'("?sep=.?"?)[ \t]*(?:[\r\n]|$)', re.IGNORECASE)
"""Line that names the delimiter to Excel."""
END_MARK = b"\x1a"
"""Ctrl-Z, by which DOS marked the end of a text."""


def refuse_start_mark(text: str) -> None:
    """Refuse a text, without its byte-order mark, that begins with another mark.

    Raises:
        UnknownFormatError: A second byte-order mark, or Excel's line of the delimiter.
    """
    if text.startswith(BYTE_ORDER_MARK):
        problem = "it begins with two byte-order marks; delete one, or save the file as UTF-8 again"
        raise UnknownFormatError(problem)
    if found := DELIMITER_LINE.match(text):
        problem = f"its first line {found[1]!r} is a mark of Excel and no column names; delete this line"
        raise UnknownFormatError(problem)


def refuse_end_mark(last: bytes) -> None:
    """Refuse a text by its last character, apart from line breaks.

    Raises:
        UnknownFormatError: The character is Ctrl-Z.
    """
    if last == END_MARK:
        problem = "it ends with Ctrl-Z (0x1A), an end-of-file mark of DOS; delete this character"
        raise UnknownFormatError(problem)
