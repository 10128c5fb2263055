"""JSON lines: each line is an object, and each of its values the text that a CSV would hold.

| value | text |
|---|---|
| text | itself |
| number | its digits as they are written, with the decimal mark of the dialect |
| `true`, `false` | `true`, `false` |
| `null`, a key that a line lacks | none |
| array, object | its JSON, which is no value of a field |
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from servicio_ml.pipeline.reading.formats.converted_text import UTF_8, write_rows
from servicio_ml.pipeline.reading.formats.file_marks import refuse_end_mark
from servicio_ml.pipeline.reading.formats.foreign_formats import UnknownFormatError
from servicio_ml.pipeline.reading.number_text import POINT

MAX_LINE_BYTES = 64 << 20
MAX_KEYS = 10_000
"""Largest number of different keys; lines with more of them are no table."""
WORDS = {None: "", True: "true", False: "false"}
Row = dict[str, Any]


def collect_keys(lines: BinaryIO) -> tuple[tuple[str, ...], int]:
    """Check all lines of a file; return its keys in order of their appearance, and its number of lines.

    Raises:
        UnknownFormatError: A line is no JSON object, or there are too many keys.
        UnicodeDecodeError: A line is no UTF-8.
    """
    keys, count = dict[str, None](), 0
    for count, row in enumerate(_read_objects(lines), 1):
        if row and not row.keys() <= keys.keys():
            keys.update(dict.fromkeys(row))
        if len(keys) > MAX_KEYS:
            raise UnknownFormatError(
                f"its lines have more than {MAX_KEYS:,} different keys up to line {count}; write the same"
                " keys on every line"
            )
    return tuple(keys), count


def convert_to_csv(lines: BinaryIO, keys: Sequence[str], decimal: str = POINT) -> Iterator[bytes]:
    """Convert the lines to rows of a CSV without a header, in chunks; a blank line stays blank.

    Raises:
        UnknownFormatError: A line is no JSON object.
    """
    # a row of one empty cell would be a pair of quotes
    yield from write_rows([*map(row.get, keys)] if row else [] for row in _read_objects(lines, decimal))


def is_object(line: str) -> bool:
    """Whether a line is a JSON object."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _read_objects(lines: BinaryIO, decimal: str = POINT) -> Iterator[Row]:
    """Read the object of each line with its values as text; an empty one for a blank line."""
    number, decoder = 0, _create_decoder(decimal)
    while line := lines.readline(MAX_LINE_BYTES):
        number += 1
        try:
            yield _parse_line(line.decode("utf-8-sig" if number == 1 else UTF_8), decoder)
        except UnicodeDecodeError:
            raise
        except (ValueError, RecursionError) as error:
            refuse_end_mark(line.rstrip()[-1:])
            problem = _describe_error(error) if len(line) < MAX_LINE_BYTES else "it is longer than 64 MiB"
            raise UnknownFormatError(
                f"line {number} is no JSON object ({problem}); write one object on each line"
            ) from error


def _parse_line(line: str, decoder: json.JSONDecoder) -> Row:
    if line.isspace():
        return {}
    row = decoder.decode(line)
    if not isinstance(row, dict):
        raise ValueError("it is another value")  # noqa: TRY004  all that is wrong with a line is one error
    if "\\u" in line:
        # half of a surrogate pair is no text; this raises a ValueError
        "".join((*row, *filter(None, map(str, row.values())))).encode(UTF_8)
    plain = None
    for key, value in row.items():
        if isinstance(value, (dict, list)):
            plain = plain or json.loads(line)
            row[key] = json.dumps(plain[key], ensure_ascii=False)
        elif not isinstance(value, str):
            row[key] = WORDS[value]
    return row


def _describe_error(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, character {error.pos + 1}"
    if isinstance(error, UnicodeEncodeError):
        return "it holds half of a surrogate pair"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _build_object(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {max(keys, key=keys.count)!r} is there twice")
    return row


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON; write null")


def _create_decoder(decimal: str) -> json.JSONDecoder:
    def replace_mark(number: str) -> str:
        return number.replace(POINT, decimal)

    # numbers stay as they are written: a float would lose digits, an integer of 5,000 digits raises an error
    return json.JSONDecoder(
        object_pairs_hook=_build_object,
        parse_float=str if decimal == POINT else replace_mark,
        parse_int=str,
        parse_constant=_refuse_constant,
    )
