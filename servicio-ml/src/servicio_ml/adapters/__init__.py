"""Adapters: the real and the in-memory ends of the ports."""
