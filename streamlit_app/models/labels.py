"""Texts for times, numbers, decisions and gates on the page Models."""

from datetime import UTC, datetime

from streamlit_app.client.service import ModelInfo, ModelVersion
from streamlit_app.translation import escape_markdown, t, translate_phrases

CHAMPION, CHALLENGER = "champion", "challenger"
MILLISECONDS = 1000
"""Milliseconds in a second."""
PASSED, FAILED, OPEN = "✓", "✗", "…"
GATE_PHRASES = (
    "no slice is large enough to be compared",
    "selection rate difference of",
    "selection rate ratio of",
    "true positive rate difference of",
    "true positive rate ratio of",
    "false positive rate difference of",
    "false positive rate ratio of",
    "calibration error of",
    "too few rows of",
    "not judged",
    "its interval",
    "one row",
    "compared",
    "above",
    "error",
    "gain",
    "worst",
)
"""Phrases of the measurements of gates, in the order in which they are translated."""


def format_time(seconds: float | None) -> str:
    """Format a time in UTC, `now` where it is None.

    Args:
        seconds: Seconds since 1970.
    """
    return t("now") if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def format_number(value: float | None, digits: int = 4) -> str:
    """Format a number with significant digits."""
    return "–" if value is None else f"{value:,.{digits}g}"


def format_share(value: float | None) -> str:
    """Format a share as per cent with one digit."""
    return "–" if value is None else f"{100 * value:.1f} %"


def label_decision(decision: str) -> str:
    """Return the text of a decision."""
    labels = {
        "promoted": t("promoted"),
        "rejected": t("rejected"),
        "rolled back": t("rolled back"),
        "rollout started": t("rollout started"),
        "set outside": t("set in MLflow itself"),
    }
    return labels.get(decision, decision)


def label_state(state: str) -> str:
    """Return the text of a rollout's state."""
    labels = {
        "ramping": t("Ramping"),
        "paused": t("Paused"),
        "promoting": t("Promoting"),
        "watching": t("Watching"),
        "rolling_back": t("Rolling back"),
        "finished": t("Finished"),
        "rolled_back": t("Rolled back"),
        "aborted": t("Aborted"),
    }
    return labels.get(state, state)


def label_guardrail(name: str) -> str:
    """Return the text of a guardrail."""
    labels = {
        "loss": t("Growth of the loss, by ground truth"),
        "expected_loss": t("Growth of the loss that the versions expect"),
        "shift": t("Shift of the mean score"),
        "failures": t("Rows that the challenger failed to score"),
        "latency": t("Time for the same rows"),
    }
    return labels.get(name, name)


def label_gate(name: str) -> str:
    """Return the text of a gate."""
    labels = {
        "floor": t("Minimum of the metric"),
        "latency": t("Maximum latency"),
        "calibration": t("Maximum calibration error"),
        "not worse than the champion": t("Not worse than the champion"),
        "slices": t("No slice of the rows worse"),
        "fairness": t("Groups of protected attributes alike"),
    }
    return labels.get(name, name)


def describe_weights(field: str) -> str:
    """Describe by which field rows are weighted in metrics; empty where all count the same."""
    return t("Rows are weighted in the metrics by {field}.", field=escape_markdown(field)) if field else ""


def translate_detail(english: str) -> str:
    """Translate the measurement of a gate, phrase by phrase; names and numbers stay."""
    return translate_phrases(english, GATE_PHRASES)


def find_version(model: ModelInfo, alias: str) -> ModelVersion | None:
    """Find the version with an alias."""
    return next((each for each in model.versions if alias in each.aliases), None)


def get_candidate(version: ModelVersion) -> str:
    """Return the name of the candidate that a version was trained as."""
    return version.tags.get("candidate", "–")
