"""Spanish of the page Data."""

TEXTS: dict[str, str] = {}
