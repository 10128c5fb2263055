"""worker.json is checked when it is read; the message says what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from servicio_ml.errors import ArtifactError
from servicio_ml.features.isolated.worker_document import WORKER, read_worker_document

COLUMN = {"name": "Size", "field": "size", "type": "float64", "levels": []}
DOCUMENT = {
    "kind": "pickle", "file": "sub/model.pkl", "python": "", "columns": [COLUMN], "row_seconds": 0.01,
    "memory_bytes": 1 << 30, "requirements": "",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model" / "sub").mkdir(parents=True)
    (tmp_path / "model" / "sub" / "model.pkl").write_bytes(b"x")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "model" / "link").symlink_to(tmp_path / "secret")
    return tmp_path


def _write(folder: Path, **changes: Any) -> Path:
    document = {name: value for name, value in {**DOCUMENT, **changes}.items() if value is not None}
    (folder / WORKER).write_text(json.dumps(document))
    return folder


def test_a_right_document_is_read(folder: Path) -> None:
    found = read_worker_document(_write(folder, python="abc-1", requirements="requirements.txt"))
    assert (found.kind, found.python, found.columns[0].name) == ("pickle", "abc-1", "Size")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"kind": None}, "kind: Field required"),
        ({"extra": 1}, "extra: Extra inputs"),
        ({"row_seconds": 0}, "row_seconds: .*greater than 0"),
        ({"row_seconds": "1"}, "row_seconds: .*valid number"),
        ({"memory_bytes": 1}, "memory_bytes: .*greater than"),
        ({"columns": []}, "columns: .*at least 1"),
        ({"columns": [{**COLUMN, "type": "int32"}]}, "columns.0.type: .*'float64'"),
        ({"columns": [COLUMN, COLUMN]}, "columns Size are named twice"),
        ({"file": "../secret"}, "'../secret' is not in the folder"),
        ({"file": "/etc/passwd"}, "'/etc/passwd' is not in the folder"),
        ({"file": "link"}, "'link' leads out of the folder"),
        ({"file": "absent"}, "'absent' is not there"),
        ({"python": "../x", "requirements": "requirements.txt"}, "'../x' is no name of an environment"),
        ({"python": "abc"}, "an environment and its requirements go together"),
        ({"requirements": "requirements.txt"}, "an environment and its requirements go together"),
    ],
)
def test_a_wrong_document_is_refused(folder: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ArtifactError, match=problem):
        read_worker_document(_write(folder, **changes))


@pytest.mark.parametrize("content", [None, b"{", b"[]"], ids=["absent", "cut", "list"])
def test_what_is_no_document_is_refused(folder: Path, content: bytes | None) -> None:
    if content is not None:
        (folder / WORKER).write_bytes(content)
    with pytest.raises(ArtifactError, match=WORKER):
        read_worker_document(folder)
