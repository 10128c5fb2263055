"""Slices of a window, as a document and as a table."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from servicio_ml.pipeline.drift.window import LoggedWindow
from servicio_ml.pipeline.slices.rows import SliceRows, read_slice_rows
from servicio_ml.pipeline.slices.search import FoundSlice, search_slices

COLUMNS = ("slice", "rows", "loss", "expected", "standard errors", "chance")
SEED = 1234


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceFindings:
    """What the search over a window has found.

    Attributes:
        window: The window.
        rows: The searched rows.
        slices: Slices that are worse than chance makes them, the worst first.
    """

    window: LoggedWindow
    rows: SliceRows
    slices: list[FoundSlice]

    def name_slice(self, found: FoundSlice) -> dict[str, str]:
        """Return the value of each field of a slice."""
        names = (self.rows.bins[field] for field in found.fields)
        return {bins.name: bins.labels[place] for bins, place in zip(names, found.cell, strict=True)}

    def build_table(self) -> list[tuple[str, ...]]:
        """Build a row under `COLUMNS` for each slice."""
        return [
            (
                " and ".join(f"{field} {value}" for field, value in self.name_slice(each).items()),
                f"{each.rows:,}", f"{each.loss:.4g}", f"{each.expected:.4g}", f"{each.excess:.1f}",
                f"{each.chance:.1g}",
            )
            for each in self.slices
        ]  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        info, losses = self.window.info, self.rows.losses
        return {
            "model": info.model, "version": info.version,
            "window": {"start": _format_time(self.window.start), "end": _format_time(self.window.end)},
            "rows": len(losses), "loss": float(losses.mean()) if len(losses) else None,
            "loss_metric": "error_rate" if self.rows.is_share else "mae",
            "slices": [
                {
                    "values": self.name_slice(each), "rows": each.rows, "loss": each.loss,
                    "expected_loss": each.expected, "standard_errors": each.excess, "chance": each.chance,
                }
                for each in self.slices
            ],
        }  # fmt: skip


def find_slices(window: LoggedWindow) -> SliceFindings:
    """Search the labelled rows of a window.

    Raises:
        LogError: The log cannot be read.
    """
    rows, effect = read_slice_rows(window), window.artifact.reference.policy.design_effect
    slices = search_slices(rows, effect, np.random.default_rng(SEED))
    return SliceFindings(window=window, rows=rows, slices=slices)


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
