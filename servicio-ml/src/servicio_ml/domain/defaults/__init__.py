"""Defaults of a use case: what its file need not say."""
