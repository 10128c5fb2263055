"""The quarantine in an overview: its reasons without the values, and the flaws of its first rows."""

import re
from collections.abc import Iterator, Mapping

import polars as pl

from servicio_ml.domain.overview import Flaw, Quarantine, Reason
from servicio_ml.pipeline.plan import Column, Plan
from servicio_ml.pipeline.transform import SURPLUS_FLAW, allowed_words

EXAMPLE_ROWS, EXAMPLE_FLAWS = 50, 200
SHOWN_CHARACTERS = 120
BETWEEN = "; "
MISSING = "it is missing"


def quarantine(rejected: pl.LazyFrame, plan: Plan) -> Quarantine:
    """What is told of rejected rows.

    Args:
        rejected: `line`, `reason` as `transform` words it, and the raw columns.
        plan: How the file was read.
    """
    first = rejected.head(EXAMPLE_ROWS).collect()
    flaws = [flaw for row in first.iter_rows(named=True) for flaw in _flaws(row, plan)]
    rows, *counts = rejected.select(pl.len(), *_counted(plan)).collect(engine="streaming").row(0)
    found = zip(_known(plan), counts, strict=True)
    reasons = [Reason(field=field, problem=problem, rows=times) for (field, problem), times in found if times]
    return Quarantine(
        rows=rows,
        reasons=tuple(sorted(reasons, key=lambda each: (-each.rows, each.field or "", each.problem))),
        examples=tuple(flaws[:EXAMPLE_FLAWS]),
    )


def _known(plan: Plan) -> Iterator[tuple[str | None, str]]:
    """Every flaw that a row may have: field and problem."""
    for column in plan.every:
        yield column.field.name, f"it is not {allowed_words(column.field)}"
        yield column.field.name, MISSING
    yield None, SURPLUS_FLAW


def _counted(plan: Plan) -> Iterator[pl.Expr]:
    """How many rows have each of them."""
    reason = pl.lit(BETWEEN) + pl.col("reason")
    for number, (field, problem) in enumerate(_known(plan)):
        said = f"{field}: {MISSING}" if problem == MISSING else f"{field}: '"
        told = f"{BETWEEN}{said if field else SURPLUS_FLAW}"
        yield reason.str.contains(told, literal=True).sum().alias(f"{number}")


def _flaws(row: Mapping[str, str | int], plan: Plan) -> Iterator[Flaw]:
    line, reason = int(row["line"]), str(row["reason"])
    for column in plan.every:
        found = _pattern(column).search(reason)
        if found is None:
            continue
        value = found["value"]
        problem = MISSING if value is None else f"it is not {allowed_words(column.field)}"
        yield Flaw(line=line, field=column.field.name, value=_shown(value), problem=problem)
    if reason.endswith(SURPLUS_FLAW):
        yield Flaw(line=line, field=None, value=None, problem=SURPLUS_FLAW)


def _pattern(column: Column) -> re.Pattern[str]:
    wrong = f"'(?P<value>.*?)' is not {re.escape(allowed_words(column.field))}"
    return re.compile(rf"(?:^|; ){column.field.name}: (?:{wrong}|{MISSING})(?=; |$)", re.DOTALL)


def _shown(value: str | None) -> str | None:
    if value is None or len(value) <= SHOWN_CHARACTERS:
        return value
    return f"{value[:SHOWN_CHARACTERS]}…"
