"""Cells of a raw file: format, words for missing values, names of columns."""
