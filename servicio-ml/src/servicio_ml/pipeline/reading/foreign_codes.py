"""Codes that only another dialect of the use case knows: a file is not in the dialect of its columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import narwhals as nw
import polars as pl

from servicio_ml.domain.use_case import Dialect, UseCase
from servicio_ml.errors import SourceError, format_names
from servicio_ml.pipeline.reading.columns import ColumnPlan, ReadPlan
from servicio_ml.pipeline.reading.dialects import map_columns
from servicio_ml.pipeline.reading.expressions import STAGES, add_stages, join_columns
from servicio_ml.pipeline.reading.text import LINE

TEXT = "_text"


def refuse_foreign_codes(
    rejected: pl.LazyFrame, plan: ReadPlan, use_case: UseCase, dialect: Dialect, source_name: str
) -> None:
    """Refuse a file with a code that its dialect does not know and another one does.

    Two publishers may use the same columns with other codes. Rows whose codes happen to occur in both would
    be read wrongly, so that one foreign code condemns the file and not its row alone.

    Args:
        rejected: `LINE` and the raw texts, by the working names of the plan, of all rows or of those that
            are rejected.
        plan: Plan by which they were read.
        use_case: Use case of the file.
        dialect: Dialect in which it was read.
        source_name: Name by which the user knows the file.

    Raises:
        SourceError: There is such a code; the message names both dialects.
    """
    for column in plan.all_columns:
        rivals = [*_list_rivals(column, use_case, dialect)]
        if not rivals:
            continue
        raw = pl.col(column.raw_column)
        joined: pl.LazyFrame = add_stages(nw.from_native(rejected), [column], [join_columns]).to_native()
        lines = joined.group_by(raw.alias(TEXT)).agg(pl.col(LINE).min()).drop_nulls(TEXT)
        texts = lines.sort(LINE).collect(engine="streaming")
        texts = texts.filter(_find_problems(texts[TEXT], column).is_not_null())
        for other, rival in rivals:
            known = texts.filter(_find_problems(texts[TEXT], rival).is_null())
            if len(known):
                names = (repr(plan.raw_columns[each]) for each in column.raw_columns)
                where = f"{format_names(names)} in line {known[LINE][0]}"
                problem = _describe(known[TEXT][0], where, use_case, dialect, other)
                raise SourceError(source_name, problem)


def select_texts(rows: pl.LazyFrame, plan: ReadPlan) -> pl.LazyFrame:
    """Select `LINE` and the raw texts by the working names of a plan."""
    texts = (pl.col(raw).str.strip_chars().alias(name) for name, raw in plan.raw_columns.items())
    return rows.select(LINE, *texts)


def _list_rivals(
    column: ColumnPlan, use_case: UseCase, dialect: Dialect
) -> Iterator[tuple[Dialect, ColumnPlan]]:
    """List the other dialects that parse a field in another way, each with its plan for the same texts."""
    for other in use_case.dialects:
        parse = other.parse.get(column.field.name, column.field.parse)
        if other.name != dialect.name and parse != column.parse:
            missing = tuple(dict.fromkeys(("", *use_case.missing, *parse.missing)))
            yield other, replace(column, parse=parse, missing_texts=missing)


def _find_problems(texts: pl.Series, column: ColumnPlan) -> pl.Series:
    """Find the problem of each text as a value of the column; null where there is none."""
    rows = pl.LazyFrame({column.raw_column: texts}, schema={column.raw_column: pl.String})
    # the texts are joined already
    joined = replace(column, raw_columns=(column.raw_column,))
    staged: pl.LazyFrame = add_stages(nw.from_native(rows), [joined], STAGES).to_native()
    problems: pl.Series = staged.collect()[column.name_stage("problem")]
    return problems


def _describe(text: str, where: str, use_case: UseCase, dialect: Dialect, other: Dialect) -> str:
    mine, theirs = (map_columns(use_case, each) for each in (dialect, other))
    renamed = format_names(_list_renamings(mine, theirs))
    remedy = f"rename its columns ({renamed})" if renamed != "none" else "name it by --dialect"
    return (
        f"its columns are those of the dialect {dialect.name!r}, which has no code {text!r} of {where}; the"
        f" dialect {other.name!r} has it. If the file is coded like {other.name!r}, {remedy}, else mend it"
    )


def _list_renamings(
    mine: Mapping[str, tuple[str, ...]], theirs: Mapping[str, tuple[str, ...]]
) -> Sequence[str]:
    columns = {name: [format_names(map(repr, each[name])) for each in (mine, theirs)] for name in mine}
    return [f"{own} to {other}" for own, other in columns.values() if own != other]
