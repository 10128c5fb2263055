"""The table of a draft: what becomes of each column, and the corrections in an edited one."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from streamlit_app.client.use_cases import DraftColumn, DraftedUseCase

LEFT_OUT = "left out"
KINDS = ("number", "integer", "boolean", "category", "date", LEFT_OUT)
"""Kinds that a column can be corrected to."""
CATEGORY = "category"
NUMBERS = ("number", "integer")
SEPARATOR = " | "
"""Text between the levels of a cell."""


def build_table(draft: DraftedUseCase) -> pd.DataFrame:
    """Build a row for each column of the raw file but the target."""
    rows = [
        {
            "column": each.column, "kind": each.kind, "minimum": each.minimum, "maximum": each.maximum,
            "levels": SEPARATOR.join(each.levels), "reason": each.reason,
        }
        for each in draft.columns
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["column", "kind", "minimum", "maximum", "levels", "reason"])
    # a column without any number would be one of objects, which the editor takes for texts
    return table.astype({"minimum": "float64", "maximum": "float64"})


def list_kinds(draft: DraftedUseCase) -> list[str]:
    """List the kinds of the editor: those to correct to, and the others that the draft has."""
    return list(dict.fromkeys([*KINDS, *(each.kind for each in draft.columns)]))


def read_corrections(draft: DraftedUseCase, edited: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Read what an edited table changes in a draft, by column."""
    rows = edited.to_dict("records")
    found = {each.column: _read_row(each, row) for each, row in zip(draft.columns, rows, strict=True)}
    return {column: changes for column, changes in found.items() if changes}


def _read_row(column: DraftColumn, row: Mapping[Any, Any]) -> dict[str, Any]:
    kind = row["kind"] or column.kind
    changes: dict[str, Any] = {} if kind == column.kind else {"kind": kind}
    if kind in NUMBERS:
        changes |= _read_bounds(column, row)
    if kind == CATEGORY and (levels := _split_levels(row["levels"])) not in ([], column.levels):
        changes["levels"] = levels
    return changes


def _read_bounds(column: DraftColumn, row: Mapping[Any, Any]) -> dict[str, float]:
    given = {name: row[name] for name in ("minimum", "maximum") if pd.notna(row[name])}
    return {name: float(bound) for name, bound in given.items() if bound != getattr(column, name)}


def _split_levels(cell: object) -> list[str]:
    return [each.strip() for each in str(cell or "").split(SEPARATOR.strip()) if each.strip()]
