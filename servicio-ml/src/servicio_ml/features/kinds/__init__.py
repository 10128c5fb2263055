"""Kinds of values that have several columns, or columns of another type."""
