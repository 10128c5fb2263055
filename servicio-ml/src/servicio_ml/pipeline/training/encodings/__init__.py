"""Encodings of categories that are fitted on training rows."""
