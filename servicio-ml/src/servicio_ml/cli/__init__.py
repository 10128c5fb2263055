"""The command line: `servicio-ml`."""

from servicio_ml.cli.app import main

__all__ = ["main"]
