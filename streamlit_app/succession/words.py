"""How times, numbers and decisions are written on the page Models."""

from datetime import UTC, datetime

from streamlit_app.client.service import Model, Version
from streamlit_app.text import t

CHAMPION, CHALLENGER = "champion", "challenger"
MILLISECONDS = 1000
PASSED, FAILED = "✓", "✗"


def moment(seconds: float | None) -> str:
    """A time in UTC; now where there is none."""
    return t("now") if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def number(value: float | None, digits: int = 4) -> str:
    """A number to so many digits."""
    return "–" if value is None else f"{value:,.{digits}g}"


def decided(decision: str) -> str:
    """What was decided, in words."""
    words = {"promoted": t("promoted"), "rejected": t("rejected"), "rolled back": t("rolled back")}
    return words.get(decision, decision)


def gate(name: str) -> str:
    """A gate's name for people."""
    words = {
        "floor": t("Good enough by itself"),
        "latency": t("Quick enough"),
        "calibration": t("Probabilities hold"),
        "not worse than the champion": t("Not worse than the champion"),
        "slices": t("No part of the rows loses"),
    }
    return words.get(name, name)


def bearer(model: Model, alias: str) -> Version | None:
    """The version with an alias."""
    return next((each for each in model.versions if alias in each.aliases), None)


def candidate(version: Version) -> str:
    """Which candidate a version is."""
    return version.tags.get("candidate", "–")
