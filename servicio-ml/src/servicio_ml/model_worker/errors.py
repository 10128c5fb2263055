"""Errors of the process of an imported model; their texts reach the user."""


class ModelFileError(Exception):
    """A model file that cannot be served."""


class UnconvertibleError(Exception):
    """A model, or a step of one, that no converter knows."""
