"""The table of a draft: what becomes of each column, and the corrections in an edited one."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from streamlit_app.client.use_cases import DraftColumn, DraftedUseCase
from streamlit_app.new_use_case.reasons import translate_reason

LEFT_OUT = "left out"
KINDS = ("number", "integer", "boolean", "category", "date", "datetime", "text", LEFT_OUT)
"""Kinds that a column can be corrected to."""
BOUNDS = ("minimum", "maximum")


def build_table(draft: DraftedUseCase) -> pd.DataFrame:
    """Build a row for each column of the raw file but the target."""
    names = ["column", "kind", *BOUNDS, "levels", "reason"]
    rows = [{**each.model_dump(), "reason": translate_reason(each.reason)} for each in draft.columns]
    table = pd.DataFrame(rows, columns=names)
    # a column without any number would be one of objects, which the editor takes for texts
    return table.astype(dict.fromkeys(BOUNDS, "float64"))


def list_kinds(draft: DraftedUseCase) -> list[str]:
    """List the kinds of the editor: those to correct to, and the others that the draft has."""
    return list(dict.fromkeys([*KINDS, *(each.kind for each in draft.columns)]))


def read_corrections(draft: DraftedUseCase, edited: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Read what an edited table changes in a draft, by column; the server judges whether it can be."""
    rows = edited.to_dict("records")
    found = {each.column: _read_row(each, row) for each, row in zip(draft.columns, rows, strict=True)}
    return {column: changes for column, changes in found.items() if changes}


def _read_row(column: DraftColumn, row: Mapping[Any, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {} if row["kind"] in {None, column.kind} else {"kind": row["kind"]}
    for name in BOUNDS:
        if pd.notna(row[name]) and row[name] != getattr(column, name):
            changes[name] = float(row[name])
    levels = [] if row["levels"] is None else [text for each in row["levels"] if (text := each.strip())]
    if levels and levels != column.levels:
        changes["levels"] = levels
    return changes


def merge_corrections(
    before: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Merge new corrections into those of a draft; another kind drops the former range and levels."""
    merged = {name: {**each} for name, each in before.items()}
    for name, each in changes.items():
        merged[name] = {**({} if "kind" in each else merged.get(name, {})), **each}
    return merged
