"""Experiments: versions compared by share on a metric, with intervals that may be looked at at any time."""
