"""Alembic's migrations of the three kinds of store, a folder each."""
