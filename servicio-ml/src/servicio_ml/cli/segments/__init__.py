"""Commands about parts of the rows."""
