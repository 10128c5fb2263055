"""A file in the columns of one dialect and the codes of another is refused, in the ETL as in scoring."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from servicio_ml.errors import SourceError
from servicio_ml.pipeline.describe_raw_file import describe
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import inspect_file
from servicio_ml.use_cases.catalogue import find

HEART = find("heart_disease")
HEADER = "age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal"
# made-up patients, in integer codes that both dialects have, but for the chest pain of the third
UCI_ROWS = (
    "63,1,1,145,233,1,2,150,0,2.3,2,0,3",
    "41,0,2,130,204,0,2,172,0,1.4,1,0,3",
    "67,1,4,160,286,0,2,108,1,1.5,2,3,3",
)
KAGGLE_ROWS = (
    "63,1,3,145,233,1,0,150,0,2.3,1,0,1",
    "37,1,2,130,250,0,1,187,0,3.5,1,0,2",
    "57,0,0,120,354,0,1,163,1,0.6,2,0,2",
)
Read = Callable[[Path], object]


def _write(folder: Path, rows: Sequence[str], target: str, labels: str) -> Path:
    path = folder / "a.csv"
    lines = (f"{row},{label}" for row, label in zip(rows, labels, strict=True))
    path.write_text("\n".join([f"{HEADER},{target}", *lines]) + "\n")
    return path


def _read_by_etl(path: Path) -> object:
    return describe(HEART, path, source_name="my file").status_counts


def _read_by_score(path: Path, dialect: str = "") -> pl.DataFrame:
    spec = InputSpec(schema=HEART.schema, use_case=HEART, dialect_name=dialect)
    batches = open_batches(inspect_file(path, "my file"), spec)
    return pl.concat([batches.prepare(frame) for frame in batches.raw_frames])


BOTH = pytest.mark.parametrize("read", [_read_by_etl, _read_by_score], ids=["etl", "score"])


@BOTH
def test_uci_codes_under_the_kaggle_name_of_the_target_are_refused(tmp_path: Path, read: Read) -> None:
    """Read as Kaggle's, the labels of all rows would be inverted."""
    with pytest.raises(SourceError) as caught:
        read(_write(tmp_path, UCI_ROWS, "target", "001"))
    assert str(caught.value) == (
        "cannot read my file: its columns are those of the dialect 'Kaggle', which has no code '4' of 'cp' in"
        " line 4; the dialect 'UCI with a header' has it. If the file is coded like 'UCI with a header',"
        " rename its columns ('target' to 'num'), else mend it"
    )


@BOTH
def test_kaggle_codes_under_the_uci_name_of_the_target_are_refused(tmp_path: Path, read: Read) -> None:
    with pytest.raises(
        SourceError, match=r"dialect 'UCI with a header', which has no code '0' of 'cp' in line 4"
    ):
        read(_write(tmp_path, KAGGLE_ROWS, "num", "110"))


def test_a_target_that_only_uci_has_is_refused_in_a_kaggle_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="which has no code '2' of 'target' in line 3; the dialect 'UCI"):
        _read_by_etl(_write(tmp_path, KAGGLE_ROWS, "target", "120"))


@pytest.mark.parametrize(
    ("rows", "target"), [(UCI_ROWS, "num"), (KAGGLE_ROWS, "target")], ids=["UCI", "Kaggle"]
)
@BOTH
def test_a_file_in_the_codes_of_its_dialect_is_read(
    tmp_path: Path, read: Read, rows: Sequence[str], target: str
) -> None:
    read(_write(tmp_path, rows, target, "011"))


def test_a_code_that_no_dialect_has_concerns_its_row_only(tmp_path: Path) -> None:
    source = _write(tmp_path, [*KAGGLE_ROWS, KAGGLE_ROWS[0].replace("63,1,3", "63,1,8")], "target", "1100")
    assert _read_by_score(source)["_reason"].null_count() == 3


def test_a_dialect_that_the_user_names_is_taken(tmp_path: Path) -> None:
    found = _read_by_score(_write(tmp_path, UCI_ROWS, "target", "001"), "Kaggle")
    assert found["_reason"].null_count() == 2
