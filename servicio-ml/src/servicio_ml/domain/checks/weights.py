"""Checks of the weights of classes against the target and the candidates."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from servicio_ml.domain.checks.plain_values import show
from servicio_ml.domain.search import UNWEIGHTED_FAMILIES
from servicio_ml.errors import format_names

if TYPE_CHECKING:
    from servicio_ml.domain.use_case import UseCase

BALANCED = "balanced"


def find_weight_problems(use_case: "UseCase") -> Iterator[str]:
    """Describe what is wrong with the weights of a use case whose attributes have the right types."""
    weights, labels = use_case.class_weights, use_case.target.labels
    if not weights:
        return
    if not labels:
        yield "class_weights are for labels, and a regression has none; leave them out"
    elif isinstance(weights, str) and weights != BALANCED:
        yield f"class_weights is {show(weights)}; it must be {BALANCED!r} or a number for each label"
    elif not isinstance(weights, str) and set(weights) != set(labels):
        yield (
            f"class_weights has {format_names(map(repr, weights))}; it must have exactly the labels"
            f" {format_names(map(repr, labels))}"
        )
    for candidate in use_case.candidates:
        if candidate.family in UNWEIGHTED_FAMILIES:
            name = candidate.name
            yield f"candidate {name!r}: its family {candidate.family!r} takes no weights; leave it out"
