"""Requests of a schema: their models and the names of their fields."""
