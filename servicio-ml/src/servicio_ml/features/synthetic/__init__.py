"""Synthetic rows for a fresh machine, tests and demonstrations."""
