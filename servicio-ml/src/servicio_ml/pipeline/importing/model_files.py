"""Files of a model to import: the kind of each, and what MLflow has written about it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from servicio_ml.errors import ModelImportError, format_names

MLFLOW_FILE, PICKLE = "MLmodel", "pickle"
SUFFIXES = {
    ".txt": "lightgbm", ".lgb": "lightgbm", ".json": "xgboost", ".ubj": "xgboost", ".cbm": "catboost",
    ".cb": "catboost", ".onnx": "onnx", ".skops": "skops", ".pkl": PICKLE, ".pickle": PICKLE,
    ".joblib": PICKLE,
}  # fmt: skip
"""Kind of a model file by its suffix."""
FLAVORS = ("sklearn", "lightgbm", "xgboost", "catboost", "onnx")
"""Flavors of MLflow that can be imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """A model to import.

    Attributes:
        kind: Kind of its file, by which it is read.
        folder: Folder of the model.
        file: Path of the model file in the folder.
        columns: Names of its input columns, of its signature; empty without one.
    """

    kind: str
    folder: Path
    file: str
    columns: tuple[str, ...] = ()


def find_model_files(path: Path, uri: str, *, trust_pickle: bool) -> ModelFiles:
    """Find the model in a file, or in a folder of MLflow.

    Args:
        path: The file or folder.
        uri: Address by which the user knows it, for messages.
        trust_pickle: Whether a pickle may be read, which runs the code that is in it.

    Raises:
        ModelImportError: There is no model of a known kind, or it is a pickle that is not trusted.
    """
    found = _find_in_folder(path, uri) if path.is_dir() else _find_file(path, uri)
    if found.kind == PICKLE and not trust_pickle:
        raise ModelImportError(
            uri,
            f"{found.file} is a pickle, which can run any code when it is read; give --trust-pickle if you"
            " know who has written it, or save the model with skops",
        )
    return found


def _find_file(path: Path, uri: str) -> ModelFiles:
    if not path.is_file():
        raise ModelImportError(uri, "there is no such file or folder")
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise ModelImportError(
            uri, f"the suffix {path.suffix!r} names no kind of model; it takes {format_names(SUFFIXES)}"
        )
    return ModelFiles(kind=kind, folder=path.parent, file=path.name)


def _find_in_folder(folder: Path, uri: str) -> ModelFiles:
    _refuse_links(folder, uri)
    document = _read_description(folder, uri)
    details = _find_flavor(document, uri)
    file = _find_model_file(folder.resolve(), details, uri)
    return ModelFiles(
        kind=_find_kind(details, file, uri), folder=folder, file=str(file.relative_to(folder.resolve())),
        columns=_read_signature(document, uri),
    )  # fmt: skip


def _refuse_links(folder: Path, uri: str) -> None:
    """Refuse links that lead out of the folder: a file of this machine would become part of the version."""
    inside = folder.resolve()
    for each in folder.rglob("*"):
        if each.is_symlink() and not each.resolve().is_relative_to(inside):
            raise ModelImportError(uri, f"its link {str(each.relative_to(folder))!r} is not in the folder")


def _find_flavor(document: Mapping[str, Any], uri: str) -> Mapping[str, Any]:
    flavors = document.get("flavors") or {}
    for name in FLAVORS:
        if name in flavors:
            return dict(flavors[name])
    known = format_names(FLAVORS)
    raise ModelImportError(uri, f"its flavors are {format_names(flavors) or 'none'}; it takes {known}")


def _find_model_file(folder: Path, details: Mapping[str, Any], uri: str) -> Path:
    name = str(details.get("pickled_model") or details.get("data") or "")
    file = (folder / name).resolve()
    # the description comes with the model, from whoever has written it
    if not file.is_relative_to(folder) or not file.is_file():
        raise ModelImportError(uri, f"its model file {name!r} is not in the folder")
    return file


def _read_description(folder: Path, uri: str) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load((folder / MLFLOW_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ModelImportError(uri, f"its file {MLFLOW_FILE} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ModelImportError(uri, f"its file {MLFLOW_FILE} holds no description of a model")
    return document


def _find_kind(details: Mapping[str, Any], file: Path, uri: str) -> str:
    if "pickle" in str(details.get("serialization_format", "")):
        return PICKLE
    kind = SUFFIXES.get(file.suffix.lower())
    if kind is None:
        raise ModelImportError(uri, f"the suffix of its file {file.name!r} names no kind of model")
    return kind


def _read_signature(document: Mapping[str, Any], uri: str) -> tuple[str, ...]:
    signature = document.get("signature") or {}
    try:
        inputs = json.loads(signature.get("inputs") or "[]")
        # a tensor has no names of columns
        return tuple(str(each["name"]) for each in inputs if each.get("type") != "tensor")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelImportError(uri, f"its signature cannot be read: {error}") from error
