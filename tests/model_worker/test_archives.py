"""Archives of model files: a bomb and a path are refused by what the archive declares."""

import struct
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from sklearn.linear_model import LogisticRegression
from skops.io import dump

from servicio_ml.model_worker.errors import ModelFileError
from servicio_ml.model_worker.loading.load import load_model

SIZE_OFFSET = 24
"""Place of the unpacked size in an entry of the directory of a zip archive."""


@pytest.fixture(name="path")
def save(tmp_path: Path) -> Path:
    path = tmp_path / "model.skops"
    dump(LogisticRegression().fit([[0.0], [1.0]], ["a", "b"]), path)
    return path


def test_a_sound_archive_is_read(path: Path) -> None:
    assert load_model("skops", path).classes == ("a", "b")


def test_a_bomb_is_refused_by_its_unpacked_size(path: Path) -> None:
    with ZipFile(path, "a", ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", bytes(1 << 20))
    packed = bytearray(path.read_bytes())
    entry = packed.rindex(b"PK\x01\x02")
    packed[entry + SIZE_OFFSET : entry + SIZE_OFFSET + 4] = struct.pack("<I", 3 << 30)
    path.write_bytes(packed)
    with pytest.raises(
        ModelFileError, match=r"it has 322\d+ bytes when unpacked, of \d+ packed; at most 2147"
    ):
        load_model("skops", path)


@pytest.mark.parametrize("name", ["../outside.npy", "/etc/passwd", "a\\..\\..\\b.npy"])
def test_a_path_out_of_the_archive_is_refused(path: Path, name: str) -> None:
    with ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(ModelFileError, match="leads out of the archive"):
        load_model("skops", path)
