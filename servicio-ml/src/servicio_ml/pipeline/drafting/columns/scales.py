"""Scales of words: levels that are certain to ascend."""

from collections.abc import Iterable, Sequence

MIN_LEVELS = 3
"""Minimum number of levels: the order of two says nothing."""
SCALES: Sequence[Sequence[str]] = (
    ("very low", "low", "medium", "high", "very high"),
    ("very low", "low", "moderate", "high", "very high"),
    ("very small", "small", "medium", "large", "very large"),
    ("xs", "s", "m", "l", "xl", "xxl"),
    ("very poor", "poor", "fair", "good", "very good", "excellent"),
    ("mild", "moderate", "severe"),
    ("never", "rarely", "sometimes", "often", "always"),
    ("strongly disagree", "disagree", "neutral", "agree", "strongly agree"),
    ("first", "second", "third", "fourth", "fifth"),
)


def sort_by_scale(levels: Iterable[str]) -> tuple[str, ...]:
    """Sort levels by the scale that has all of them; empty without one."""
    words = {level.lower().replace("_", " ").replace("-", " "): level for level in levels}
    for scale in SCALES:
        if len(words) >= MIN_LEVELS and words.keys() <= {*scale}:
            return tuple(words[word] for word in scale if word in words)
    return ()
