"""Drift of logged rows against the training rows, as findings and reports."""
