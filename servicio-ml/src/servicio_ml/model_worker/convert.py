"""Conversion of a loaded model to ONNX."""

from collections.abc import Sequence
from typing import Any


def convert_model(model: Any, columns: Sequence[Any], width: int) -> bytes:
    """Convert a model that reads these columns of a matrix of a width."""
    raise NotImplementedError(f"{type(model).__name__} of {len(columns)} columns of {width} is not converted")
