"""Fairness in the model card."""
