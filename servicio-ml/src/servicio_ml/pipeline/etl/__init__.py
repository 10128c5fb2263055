"""A raw file becomes a validated, published period."""
