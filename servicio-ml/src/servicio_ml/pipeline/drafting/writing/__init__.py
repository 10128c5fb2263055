"""The Python source of a drafted use case."""
