"""Concepts and rules of the platform, on the standard library only."""
