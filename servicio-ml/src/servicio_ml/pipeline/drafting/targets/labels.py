"""Order of the classes of a target: the positive one of two is the last."""

from collections.abc import Mapping

from servicio_ml.domain.values import normalize_code
from servicio_ml.errors import format_names
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons

POSITIVE = frozenset("1 true t yes y positive pos present".split())  # noqa: SIM905  words in lines are read more easily
NEGATIVE = frozenset("0 -1 false f no n negative neg absent none".split())  # noqa: SIM905  the same
TWO = 2
RARER = format_reason("the rarer one")
"""Reason of a positive class that is a guess."""


def sort_classes(counts: Mapping[str, int], named: str = "") -> tuple[tuple[str, ...], str]:
    """Order labels, and give the reason for the order.

    Args:
        counts: Number of rows by label.
        named: The positive label, if the user has named it.
    """
    labels = _sort_labels(counts)
    if len(labels) != TWO:
        shown = format_names(labels)
        return labels, format_reason("{number} classes ({labels})", number=len(labels), labels=shown)
    positive, why = (named, format_reason("as asked")) if named else _find_positive(labels, counts)
    negative = next(label for label in labels if label != positive)
    share = counts[positive] / (counts[positive] + counts[negative])
    reason = format_reason(
        "{label} is the positive class, {share} of the rows", label=repr(positive), share=f"{share:.1%}"
    )
    return (negative, positive), join_reasons(reason, why)


def _sort_labels(labels: Mapping[str, int]) -> tuple[str, ...]:
    are_codes = all(normalize_code(label) is not None for label in labels)
    return tuple(sorted(labels, key=float)) if are_codes else tuple(sorted(labels))


def _find_positive(labels: tuple[str, ...], counts: Mapping[str, int]) -> tuple[str, str]:
    for word in labels:
        other = labels[0] if word == labels[1] else labels[1]
        if word.lower() in POSITIVE and other.lower() not in POSITIVE:
            return word, format_reason("chosen by its name")
        if word.lower() in NEGATIVE and other.lower() not in NEGATIVE:
            return other, format_reason("the other one is {label}", label=repr(word))
    # of two equally frequent labels the last
    return min(reversed(labels), key=lambda label: counts[label]), RARER
