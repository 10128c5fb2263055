"""Predictions for a file of any size."""
