"""Predictions through streams: requests in, results out."""
