"""Kinds of a raw column, one module each: what its texts are, or why it is left out."""
