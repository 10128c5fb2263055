"""Retraining by alerts: the hook that starts it and the decisions behind it."""
