"""Dates in the text of raw files: days and date-times."""
