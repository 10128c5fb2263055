"""Descriptions of synthetic rows that are too long for their use cases' files."""
