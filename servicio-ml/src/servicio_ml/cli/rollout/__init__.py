"""Command about rollouts."""
