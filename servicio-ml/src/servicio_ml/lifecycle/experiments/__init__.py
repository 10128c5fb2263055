"""Experiments: what people ask for, and what the servers do for them."""
