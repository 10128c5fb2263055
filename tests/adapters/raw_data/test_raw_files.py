"""Raw files are found in one order, and written whole or not at all."""

from pathlib import Path

import pytest

from servicio_ml.adapters.raw_data.raw_files import RawFiles, write_atomically, write_csv
from servicio_ml.errors import OutputError, SourceError
from servicio_ml.use_cases.catalogue import load_catalogue

RAIN = load_catalogue()["rain_australia"]


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_the_users_file_comes_before_the_fetched_one_and_that_before_the_sample(tmp_path: Path) -> None:
    files = RawFiles(tmp_path / "state", tmp_path / "brought")
    brought = tmp_path / "brought" / "weatherAUS.csv"
    for path in (files.get_sample_path(RAIN), files.get_fetched_path(RAIN), brought):
        _touch(path)
        assert files.find(RAIN) == path
    assert RawFiles(tmp_path / "state", tmp_path / "nowhere").find(RAIN) == files.get_fetched_path(RAIN)


def test_each_use_case_has_files_of_its_own(tmp_path: Path) -> None:
    files = RawFiles(tmp_path, tmp_path / "nowhere")
    _touch(files.get_sample_path(load_catalogue()["heart_disease"]))
    with pytest.raises(SourceError, match=r"cannot read rain_australia: none of .* is there"):
        files.find(RAIN)


def test_where_there_is_none_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as raised:
        RawFiles(tmp_path / "state", tmp_path / "brought").find(RAIN)
    for temporary in (
        tmp_path / "brought" / "weatherAUS.csv",
        tmp_path / "state" / "data" / "rain_australia" / "sample.csv",
        "`servicio-ml data sample rain_australia`",
        "`servicio-ml data fetch rain_australia`",
        "--source",
    ):
        assert str(temporary) in str(raised.value)


def test_a_csv_is_quoted_where_needed(tmp_path: Path) -> None:
    target = tmp_path / "new" / "cars.csv"
    columns = {"name": ["Škoda", 'a "b"'], "torque": ["12.7@ 2,700(kgm@ rpm)", ""]}
    write_csv(target, columns, header=True)
    assert target.read_bytes().decode() == ('name,torque\nŠkoda,"12.7@ 2,700(kgm@ rpm)"\n"a ""b""",\n')
    write_csv(target, columns, header=False)
    assert target.read_text(encoding="utf-8").startswith("Škoda,")


def _write(target: Path, fault: Exception | None = None) -> None:
    with write_atomically(target) as temporary:
        temporary.write_text("half")
        if fault is not None:
            raise fault


def test_an_error_midway_leaves_the_older_file(tmp_path: Path) -> None:
    target = tmp_path / "cars.csv"
    target.write_text("older")
    with pytest.raises(ZeroDivisionError):
        _write(target, ZeroDivisionError())
    assert [path.name for path in tmp_path.iterdir()] == ["cars.csv"]
    assert target.read_text() == "older"


@pytest.mark.parametrize(
    ("place", "fault"),
    [("folder", None), ("file/below", None), ("full", OSError(28, "No space left on device"))],
    ids=["a folder", "below a file", "disk full"],
)
def test_a_refusing_system_is_reported_with_the_path(
    tmp_path: Path, place: str, fault: OSError | None
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=rf"cannot write .*{place}: .+; nothing was written"):
        _write(tmp_path / place, fault)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
