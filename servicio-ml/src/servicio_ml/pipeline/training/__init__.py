"""A published period becomes registered candidates."""
