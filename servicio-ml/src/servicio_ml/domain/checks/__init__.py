"""Checks of what a use case declares: types and ranges by annotation, then what its parts say together."""
