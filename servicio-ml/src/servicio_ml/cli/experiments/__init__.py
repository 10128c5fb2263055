"""Command about experiments."""
