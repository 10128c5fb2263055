"""Formats of raw files, found by their content."""
