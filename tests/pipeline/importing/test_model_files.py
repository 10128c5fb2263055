"""Files of models: what is found in a file or a folder of MLflow, and what is refused."""

from pathlib import Path

import pytest

from servicio_ml.errors import ModelImportError
from servicio_ml.pipeline.importing.model_files import find_model_files

DESCRIPTION = """flavors:
  sklearn:
    pickled_model: {file}
    serialization_format: {format}
signature:
  inputs: '[{{"type": "double", "name": "a"}}, {{"type": "string", "name": "b"}}]'
"""


def write_folder(folder: Path, file: str = "model.skops", kind: str = "skops") -> Path:
    folder.mkdir()
    (folder / "MLmodel").write_text(DESCRIPTION.format(file=file, format=kind))
    (folder / "model.skops").touch()
    (folder / "model.pkl").touch()
    return folder


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model.txt", "lightgbm"), ("m.json", "xgboost"), ("m.ubj", "xgboost"), ("m.cbm", "catboost"),
        ("m.ONNX", "onnx"), ("m.skops", "skops"),
    ],
)  # fmt: skip
def test_the_suffix_names_the_kind(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).touch()
    found = find_model_files(tmp_path / name, name, trust_pickle=False)
    assert (found.kind, found.folder, found.file) == (kind, tmp_path, name)


def test_a_folder_of_mlflow_names_the_file_and_the_columns(tmp_path: Path) -> None:
    found = find_model_files(write_folder(tmp_path / "m"), "runs:/1/m", trust_pickle=False)
    assert (found.kind, found.file, found.columns) == ("skops", "model.skops", ("a", "b"))


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "MLmodel"])
def test_a_pickle_needs_trust(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "MLmodel":
        path = write_folder(tmp_path / "m", "model.pkl", "cloudpickle")
    else:
        path.touch()
    with pytest.raises(ModelImportError, match=r"is a pickle, which can run any code.*--trust-pickle"):
        find_model_files(path, "m", trust_pickle=False)
    assert find_model_files(path, "m", trust_pickle=True).kind == "pickle"


@pytest.mark.parametrize("file", ["../outside.skops", "/etc/passwd", "missing.skops", ""])
def test_a_file_beyond_the_folder_is_refused(tmp_path: Path, file: str) -> None:
    (tmp_path / "outside.skops").touch()
    with pytest.raises(ModelImportError, match="is not in the folder"):
        find_model_files(write_folder(tmp_path / "m", file), "m", trust_pickle=False)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m")
    (tmp_path / "outside.skops").touch()
    (folder / "model.skops").unlink()
    (folder / "model.skops").symlink_to(tmp_path / "outside.skops")
    with pytest.raises(ModelImportError, match=r"its link 'model.skops' is not in the folder"):
        find_model_files(folder, "m", trust_pickle=False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("flavors: {prophet: {}}", "its flavors are prophet; it takes sklearn"),
        ("[]", "holds no description"),
        ("a: [", "cannot be read"),
        ("flavors: {onnx: {data: model.bin}}", "names no kind of model"),
    ],
)
def test_other_folders_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    (tmp_path / "model.bin").touch()
    with pytest.raises(ModelImportError, match=problem):
        find_model_files(tmp_path, "m", trust_pickle=False)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelImportError, match="there is no such file or folder"):
        find_model_files(tmp_path / "none.onnx", "none.onnx", trust_pickle=False)
    (tmp_path / "model.h5").touch()
    with pytest.raises(ModelImportError, match=r"the suffix '.h5' names no kind of model"):
        find_model_files(tmp_path / "model.h5", "model.h5", trust_pickle=False)
