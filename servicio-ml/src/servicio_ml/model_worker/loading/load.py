"""Readers of model files: each gives a function from a data frame to scores."""

from collections.abc import Callable
from pathlib import Path

from ..errors import ModelFileError
from .archives import check_archive
from .boosted_files import load_catboost, load_lightgbm, load_xgboost
from .estimators import describe_estimator
from .loaded_model import LoadedModel
from .onnx_file import describe_onnx

KNOWN_TYPES = (
    "sklearn.",
    "lightgbm.",
    "xgboost.",
    "catboost.",
    "numpy.",
    "scipy.",
    "collections.OrderedDict",
)
"""Beginnings of the names of types that a skops file may hold beside those that skops itself trusts."""


def load_model(kind: str, path: Path) -> LoadedModel:
    """Load a model file.

    Args:
        kind: One of `KINDS`. A `pickle` runs the code that is in it: load it in a process without rights.
        path: File of the model.

    Raises:
        ModelFileError: The file is damaged, its library is missing, or what it predicts cannot be served.
    """
    try:
        return KINDS[kind](path)
    except ModelFileError:
        raise
    except ImportError as error:
        raise ModelFileError(
            f"its library is missing here: {error}; give the interpreter of an environment that has it"
        ) from error
    except Exception as error:  # libraries raise anything for a damaged file
        raise ModelFileError(f"it cannot be read as {kind}: {type(error).__name__}: {error}") from error


def _load_pickle(path: Path) -> LoadedModel:
    import pickle

    try:
        with path.open("rb") as file:
            return describe_estimator(pickle.load(file))  # noqa: S301  only with the user's trust, in a sandbox
    except (AttributeError, KeyError, ValueError, pickle.UnpicklingError):
        # joblib writes arrays beside the pickle, with compression
        import joblib

        return describe_estimator(joblib.load(path))


def _load_skops(path: Path) -> LoadedModel:
    from skops.io import get_untrusted_types, load

    check_archive(path)
    untrusted = get_untrusted_types(file=path)
    if unknown := [name for name in untrusted if not name.startswith(KNOWN_TYPES)]:
        raise ModelFileError(f"it holds types that skops does not know: {', '.join(sorted(unknown))}")
    return describe_estimator(load(path, trusted=untrusted))


KINDS: dict[str, Callable[[Path], LoadedModel]] = {
    "pickle": _load_pickle,
    "skops": _load_skops,
    "lightgbm": load_lightgbm,
    "xgboost": load_xgboost,
    "catboost": load_catboost,
    "onnx": describe_onnx,
}
