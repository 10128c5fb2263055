"""Spanish of the use cases that ship: names, descriptions, units and levels as the server gives them."""

TEXTS: dict[str, str] = {}
