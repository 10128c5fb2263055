"""Commands around the file of a use case: a draft from a raw file, and its check."""
