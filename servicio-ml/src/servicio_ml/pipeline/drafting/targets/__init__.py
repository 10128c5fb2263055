"""The target of a draft."""
