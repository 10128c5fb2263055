"""Shared code of the DAG files."""
