"""Checks of protected attributes against the task and the promotion policy."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from servicio_ml.errors import format_names

if TYPE_CHECKING:
    from servicio_ml.domain.use_case import UseCase


def find_fairness_problems(use_case: "UseCase") -> Iterator[str]:
    """Describe protected attributes that have no rates, or limits that nothing is judged by."""
    limits, names = use_case.promotion.fairness, [each.field for each in use_case.protected_segments]
    if names and use_case.task != "binary":
        yield (
            f"protected names {format_names(names)}: selection, true and false positive rates are those of a "
            f"target of two labels, and this is {use_case.task}; name the fields in segments="
        )
    if limits is not None and not names:
        yield "promotion has fairness limits, and protected= names no field; name one, or leave them out"
    if limits is not None and not limits.has_limit:
        yield "promotion has fairness=FairnessLimits(…) without any limit; give one, or leave it out"
