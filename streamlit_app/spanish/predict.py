"""Spanish of the page Predict."""

TEXTS: dict[str, str] = {}
