"""Descriptions of a raw file as a whole: its format and its rows."""

from servicio_ml.pipeline.drafting.cells.table import MAX_ROWS
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons
from servicio_ml.pipeline.reading.formats.text_format import WORKBOOK, TextFormat
from servicio_ml.pipeline.reading.input_file import InputFile


def describe_rows(rows: int, seen: int) -> str:
    """Describe how many rows a file has, and how many of them a draft is made from."""
    step = -(-rows // MAX_ROWS)
    if step <= 1:
        return format_reason("{number}, all of which are looked at", number=f"{rows:,}")
    looked = format_reason(
        "{number}, of which {seen} are looked at, one in {step}",
        number=f"{rows:,}",
        seen=f"{seen:,}",
        step=step,
    )
    return join_reasons(looked, format_reason("the draft is then checked on all"))


def describe_format(file: InputFile, decimal: str) -> str:
    """Describe the format of a file, with the decimal mark that its dialect declares."""
    if file.is_parquet:
        return format_reason("Parquet")
    if file.text_format.packing == WORKBOOK:
        return format_reason("workbook")
    mark = format_reason("decimal mark {mark}", mark=repr(decimal)) if decimal else ""
    return join_reasons(_describe_text_format(file.text_format), mark)


def _describe_text_format(found: TextFormat) -> str:
    rest = ", ".join(filter(None, (found.encoding.upper(), found.packing)))
    if found.is_json:
        return format_reason("JSON lines, {rest}", rest=rest)
    match found.delimiter:
        case ",":
            return format_reason("CSV with commas, {rest}", rest=rest)
        case ";":
            return format_reason("CSV with semicolons, {rest}", rest=rest)
        case "\t":
            return format_reason("CSV with tabs, {rest}", rest=rest)
        case "|":
            return format_reason("CSV with bars, {rest}", rest=rest)
    return format_reason("CSV with {delimiter}, {rest}", delimiter=found.delimiter, rest=rest)
