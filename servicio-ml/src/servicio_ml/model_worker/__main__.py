"""Start of the process: `python -I <this folder> --connection … --model …`."""

import importlib.util
import sys
from pathlib import Path

NAME = "servicio_ml_worker"
"""Name of the package in the process; not its usual one, which the model's environment may hold too."""


def run() -> None:
    """Import this folder as a package and run the worker."""
    folder = Path(__file__).resolve().parent
    # the interpreter has put the folder first on the path, where its modules would hide those of a model
    sys.path.pop(0)
    spec = importlib.util.spec_from_file_location(
        NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise SystemExit(f"{folder} is no package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)
    importlib.import_module(f"{NAME}.worker").main()


if __name__ == "__main__":
    run()
