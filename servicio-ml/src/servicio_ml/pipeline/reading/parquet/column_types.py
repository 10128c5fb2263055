"""Types of the columns of Parquet files: those that hold values of a field, and text that is no UTF-8.

| field | types |
|---|---|
| number, integer | integers, floats, decimals; text, as in a CSV |
| category, text | text, numbers, booleans |
| date, datetime | dates, timestamps; text, as in a CSV |
| boolean | booleans; text and numbers, as in a CSV |

Values may be dictionary-encoded. A value of another of these types is rejected row by row. A column of any
other type (list, struct, binary, time, duration, …) is refused where a field is read from it.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.errors import SourceError
from servicio_ml.pipeline.reading.expressions import describe_allowed_values
from servicio_ml.pipeline.reading.input_file import FIRST_LINE, InputFile, translate_read_errors

READ_TYPES = {
    Kind.NUMBER: "integers, floats, decimals or text",
    Kind.INTEGER: "integers, floats, decimals or text",
    Kind.CATEGORY: "text, numbers or booleans",
    Kind.DATE: "dates, timestamps or text",
    Kind.DATETIME: "dates, timestamps or text",
    Kind.BOOLEAN: "booleans, text or numbers",
    Kind.TEXT: "text, numbers or booleans",
}
REMEDY = "write its texts as UTF-8"
MAX_SHOWN_BYTES, MAX_SHOWN_CHARACTERS = 20, 60


def refuse_unreadable_types(schema: Any, fields: Iterable[tuple[str, Field]], source_name: str) -> None:
    """Refuse a column whose type has no values of its field.

    Args:
        schema: Arrow schema of the file, in which each read column stands once.
        fields: Column and field, or the target as a field, of everything that is read.
        source_name: Name by which the user knows the file, for messages.

    Raises:
        SourceError: There is such a column; the message says what the field takes.
    """
    for column, field in fields:
        if not _has_text(kind := schema.field(column).type):
            raise SourceError(
                source_name,
                f"column {column!r} is of the type {_describe_type(kind)}, and {field.name!r} takes"
                f" {describe_allowed_values(field)}: write it as {READ_TYPES[field.kind]}",
            )


def refuse_uncopied_types(schema: Any, columns: Iterable[str], source_name: str) -> None:
    """Refuse a column to be kept that Polars cannot copy.

    Raises:
        SourceError: There is such a column.
    """
    for column in columns:
        if not _is_copied(kind := schema.field(column).type):
            problem = f"column {column!r} is of the type {_describe_type(kind)}, which cannot be kept"
            raise SourceError(source_name, f"{problem}; leave it out")


def iterate_batches(file: InputFile, columns: Sequence[str], rows: int) -> Iterator[Any]:
    """Iterate over record batches of columns that are read.

    Args:
        file: The file.
        columns: Names of the columns.
        rows: Number of rows of a batch.

    Raises:
        SourceError: The file is damaged, or a text is no UTF-8.
    """
    row = FIRST_LINE
    # pre-buffering would read whole row groups into memory, however large they are
    with pq.ParquetFile(file.path, pre_buffer=False) as parquet, translate_read_errors(file):
        try:
            for batch in parquet.iter_batches(rows, columns=columns):
                for problem in _find_broken_texts(batch, row):
                    raise SourceError(file.source_name, problem)
                yield batch
                row += len(batch)
        except pa.ArrowInvalid as error:
            for problem in find_broken_columns(file, columns).values():
                raise SourceError(file.source_name, problem) from error
            raise


def find_broken_columns(file: InputFile, columns: Iterable[str]) -> dict[str, str]:
    """Find the columns with a text that is no UTF-8, each with the problem in words.

    Raises:
        SourceError: The file is damaged.
    """
    schema = pq.read_schema(file.path)
    texts = [name for name in dict.fromkeys(columns) if _is_text(schema.field(schema.names.index(name)).type)]
    with pq.ParquetFile(file.path, pre_buffer=False) as parquet, translate_read_errors(file):
        problems = {name: _find_broken_text(parquet, name) for name in texts}
    return {name: problem for name, problem in problems.items() if problem}


def _find_broken_text(parquet: Any, column: str) -> str:
    row = FIRST_LINE
    try:
        for batch in parquet.iter_batches(columns=[column]):
            if problem := next(_find_broken_texts(batch, row), ""):
                return problem
            row += len(batch)
    except pa.ArrowInvalid as error:
        # Arrow reads texts without a look at their bytes, but not those of a dictionary
        if "UTF8" not in str(error):
            raise
        return f"column {column!r} holds a text in row {row} or later that is no UTF-8; {REMEDY}"
    return ""


def _describe_type(kind: Any) -> str:
    try:
        text = str(kind)
    # of a structure, whose parts have names
    except UnicodeDecodeError:
        return "with names that are no UTF-8"
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"


def _find_broken_texts(batch: Any, first_row: int) -> Iterator[str]:
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if _is_text(field.type) and not _is_valid(column):
            plain = column.dictionary_decode() if pa.types.is_dictionary(field.type) else column
            row = bisect_left(range(len(plain)), x=True, key=lambda i: not _is_valid(plain[: i + 1]))
            shown = plain[row].as_buffer().to_pybytes()[:MAX_SHOWN_BYTES]
            where = f"column {field.name!r} holds {shown!r} in row {first_row + row}"
            yield f"{where}, which is no UTF-8; {REMEDY}"


def _is_valid(column: Any) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _get_value_type(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: Any) -> bool:
    plain, types = _get_value_type(kind), pa.types
    return bool(types.is_string(plain) or types.is_large_string(plain) or types.is_string_view(plain))


def _has_text(kind: Any) -> bool:
    """Whether values of a type have a text that a CSV would hold."""
    plain, types = _get_value_type(kind), pa.types
    is_number = types.is_integer(plain) or types.is_floating(plain) or types.is_decimal(plain)
    is_day = types.is_date(plain) or types.is_timestamp(plain)
    return bool(_is_text(kind) or is_number or is_day or types.is_boolean(plain) or types.is_null(plain))


def _is_copied(kind: Any) -> bool:
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return False
    parts = [kind.field(i).type for i in range(kind.num_fields)]
    # within nested values, neither zones nor decimals are converted
    return all(
        _is_copied(each)
        and not pa.types.is_decimal256(each)
        and not (pa.types.is_timestamp(each) and each.tz is not None)
        for each in parts
    )
