"""Revisions of the journal files."""
