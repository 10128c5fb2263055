"""Spanish of the page Live."""

TEXTS: dict[str, str] = {}
