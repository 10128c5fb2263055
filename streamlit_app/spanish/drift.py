"""Spanish of the page Drift."""

TEXTS: dict[str, str] = {}
