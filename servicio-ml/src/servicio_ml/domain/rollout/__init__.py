"""Rollouts: ramps of a challenger, judged by evidence that may be looked at at any time."""
