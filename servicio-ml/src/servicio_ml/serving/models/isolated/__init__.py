"""Isolated models in the server: the queue of each, and the metrics of its process."""
