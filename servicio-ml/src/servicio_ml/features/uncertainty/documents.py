"""Uncertainty columns as the rows of an answer."""

from collections.abc import Sequence
from itertools import compress
from typing import Any

from servicio_ml.features.uncertainty.uncertainty import LABEL_SET, UncertaintyColumns


def list_label_sets(columns: UncertaintyColumns, labels: Sequence[str]) -> list[list[str]]:
    """List the labels in the set of each row, in the order of the labels."""
    return [[*compress(labels, members)] for members in columns[LABEL_SET].tolist()]


def build_documents(columns: UncertaintyColumns, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Build one document a row: numbers, and the set of labels as a list."""
    values = {
        name: list_label_sets(columns, labels) if name == LABEL_SET else column.tolist()
        for name, column in columns.items()
    }
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
