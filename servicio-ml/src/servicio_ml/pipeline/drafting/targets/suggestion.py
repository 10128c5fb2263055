"""Suggestion of the column to predict, for somebody who is asked for it."""

from collections.abc import Sequence

NAMES = frozenset({"target", "label", "class", "y", "outcome", "response"})
"""Names of columns that are meant to be predicted, in lower case."""


def suggest_target(columns: Sequence[str]) -> str:
    """Suggest the column with the name of a target, else the last one, where files often have it."""
    return next((each for each in columns if each.strip().lower() in NAMES), columns[-1])
