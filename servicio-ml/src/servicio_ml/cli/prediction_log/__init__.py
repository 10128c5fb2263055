"""Commands about the logged predictions."""
