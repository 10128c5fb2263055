"""Blend: a weighted average of the scores of the best candidates."""
