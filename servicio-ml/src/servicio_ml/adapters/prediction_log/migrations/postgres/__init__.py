"""Revisions of the PostgreSQL log."""
