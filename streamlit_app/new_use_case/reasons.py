"""Reasons of a draft in the reader's language."""

from streamlit_app.data.labels import translate_problem
from streamlit_app.translation import t, translate_filled, translate_phrases

SEPARATOR = "; "
"""Text between the sentences of a reason."""
QUARANTINE_PHRASES = ("such as", "rows", "row", "first in line")
"""Phrases around the reason of a quarantine, in the order in which they are translated."""


def translate_reason(english: str) -> str:
    """Translate a reason, sentence by sentence; names and values stay."""
    return SEPARATOR.join(map(translate_filled, english.split(SEPARATOR)))


def translate_quarantine(english: str) -> str:
    """Translate a sentence on the rejected values of a field; its name and their examples stay."""
    field, separator, problem = english.partition(": ")
    return f"{field}{separator}{translate_phrases(translate_problem(problem), QUARANTINE_PHRASES)}"


def label_decision(name: str) -> str:
    """Return the text of what was decided of the file as a whole."""
    labels = {
        "format": t("Format"),
        "rows": t("Rows"),
        "missing": t("Texts that mean missing"),
        "split": t("Training and test rows"),
        "floor": t("Minimum of the metric"),
        "identifier": t("Identifier"),
        "copies": t("Equal rows"),
        "drift": t("Drift"),
    }
    return labels.get(name, name)


def label_task(task: str) -> str:
    """Return the text of a type of prediction."""
    labels = {"binary": t("two classes"), "multiclass": t("several classes"), "regression": t("a number")}
    return labels.get(task, task)
