"""Spanish of the page Models."""

TEXTS: dict[str, str] = {}
