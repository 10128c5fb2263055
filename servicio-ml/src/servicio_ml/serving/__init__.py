"""Serving: one predictor behind every interface, its models, metrics and protection."""
