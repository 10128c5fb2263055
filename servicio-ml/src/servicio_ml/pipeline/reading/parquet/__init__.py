"""Columns of Parquet files: their types, and their values as text."""
