"""Models of the server: loading, decoding of inputs, bin counts."""
