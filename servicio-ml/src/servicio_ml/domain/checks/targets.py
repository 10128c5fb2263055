"""Checks of a target beyond the types of its attributes."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from servicio_ml.domain.checks.attributes import SNAKE_CASE, SNAKE_CASE_RULE
from servicio_ml.domain.checks.fields import RESERVED_FIELDS, find_level_problems
from servicio_ml.domain.checks.parsing import find_parse_problems

if TYPE_CHECKING:
    from servicio_ml.domain.schema import Parse
    from servicio_ml.domain.use_case import Target


def describe_many_targets(targets: Sequence[object]) -> str:
    """Describe what to do about a use case with a sequence of targets."""
    return (
        f"target has {len(targets)} items; a use case predicts one target, so write one for each, "
        "with the same fields"
    )


def find_target_problems(target: "Target") -> Iterator[str]:
    """Describe what is wrong with a target whose attributes have the right types."""
    if not SNAKE_CASE.fullmatch(target.name):
        yield f"names are {SNAKE_CASE_RULE}"
    if target.name in RESERVED_FIELDS:
        yield f"the platform has a column of that name; choose another, such as {target.name}_value"
    yield from find_level_problems(target.labels, "a label")
    yield from find_target_parse_problems(target, target.parse)
    yield from _find_edge_problems(target)
    yield from _find_log_problems(target)


def find_target_parse_problems(target: "Target", parse: "Parse") -> Iterator[str]:
    """Describe rules of a parsing that a target cannot use."""
    yield from find_parse_problems(parse, "number" if target.numeric else "category", target.labels)


def _find_edge_problems(target: "Target") -> Iterator[str]:
    if target.edges and len(target.edges) != len(target.labels) - 1:
        yield f"{len(target.edges)} edges need {len(target.edges) + 1} labels"
    if list(target.edges) != sorted(set(target.edges)):
        yield "edges must ascend"
    low = -math.inf if target.minimum is None else target.minimum
    high = math.inf if target.maximum is None else target.maximum
    if low > high:
        yield f"minimum {low:g} > maximum {high:g}"
    if outside := [edge for edge in target.edges if not low < edge <= high]:
        yield f"the edge {outside[0]:g} is not between minimum and maximum: a class would be empty"


def _find_log_problems(target: "Target") -> Iterator[str]:
    if target.log and target.labels:
        yield "log=True is for a regression; leave it out"
    # the logarithm of 0 is infinite, and one such row spoils every fit
    if target.log and not (target.minimum is not None and target.minimum > 0):
        yield "log=True needs a minimum above 0; give one, such as minimum=1"
