"""Tuning of candidates."""
