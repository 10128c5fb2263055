"""Fairness of a classifier towards the groups of a protected attribute: rates, their limits and the gate."""
