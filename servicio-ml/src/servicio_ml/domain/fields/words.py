"""Words of short texts: which of the frequent ones a text has."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from servicio_ml.domain.checks.attributes import Count, Limits, check_attributes

MAX_WORDS = 500
"""Maximum number of words that a field learns: each is a column of the matrix."""
MAX_CHARACTERS = 1000
"""Maximum length of a text."""
WORD_PATTERN = r"\w+"
"""A word: letters and digits, compared in lower case."""
_WORD = re.compile(WORD_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedWords:
    """Rule that selects the words of a text field from the training rows of each period.

    Attributes:
        maximum: Maximum number of words, the most frequent ones.
        minimum_rows: Minimum number of training rows of each.
    """

    maximum: Annotated[int, Limits(minimum=1, maximum=MAX_WORDS)] = 200
    minimum_rows: Count = 20

    def __post_init__(self) -> None:
        check_attributes(self, "learned words")


def find_words(text: str, words: Sequence[str]) -> list[float]:
    """Find out which words, in lower case, a text has: 1 or 0 for each."""
    found = set(_WORD.findall(text.lower()))
    return [float(word in found) for word in words]
