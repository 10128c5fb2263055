"""A field: its kind, and the rules that parse its raw text."""
