"""Dates of a raw file: which of them dates the rows, and what is derived from them."""
