"""Commands of isolated models."""
