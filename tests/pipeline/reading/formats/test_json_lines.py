"""JSON lines are read as the CSV of the same values would be; a broken line is named by its number."""

import json
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from orchard_use_case import GOOD, HEADER, LAST_DAY, build_rows, build_use_case
from servicio_ml.errors import ColumnsError, SourceError
from servicio_ml.pipeline.etl.staging import stage
from servicio_ml.pipeline.reading.batches import BLOCK_BYTES, open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.formats import json_lines
from servicio_ml.pipeline.reading.formats.foreign_formats import UnknownFormatError
from servicio_ml.pipeline.reading.formats.json_lines import collect_keys, convert_to_csv
from servicio_ml.pipeline.reading.input_file import copy_input_file, inspect_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.pipeline.reading.text import LINE
from servicio_ml.pipeline.reading.transform import REASON

RECORD: dict[str, Any] = dict(zip(HEADER, GOOD, strict=True))
Reader = Callable[[Path, Sequence[str]], pl.DataFrame]


def _write(folder: Path, *lines: str | dict[str, Any]) -> Path:
    path = folder / "rows.jsonl"
    texts = (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def _read_in_etl(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    folder, use_case = path.parent / "work", build_use_case(deduplicate=False)
    folder.mkdir()
    file = copy_input_file(path, "my file", folder)
    staged = stage(file, read_rows(file, use_case), use_case, LAST_DAY)
    return staged.rows.sort(LINE).select(pl.col(LINE).cast(pl.Int64), REASON, *columns).collect()


def _read_in_score(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    use_case = build_use_case()
    batches = open_batches(
        inspect_file(path, "my file"), InputSpec(schema=use_case.schema, use_case=use_case)
    )
    rows = pl.concat([batches.prepare(frame) for frame in batches.raw_frames])
    return rows.select(pl.col(LINE).cast(pl.Int64), REASON, *columns)


@pytest.fixture(params=[_read_in_etl, _read_in_score], ids=["etl", "score"])
def read(request: pytest.FixtureRequest) -> Reader:
    reader: Reader = request.param
    return reader


@pytest.mark.parametrize(
    ("value", "sugar"),
    [(80, 80.0), (80.5, 80.5), ("80", 80.0), ("80.50", 80.5), ("1,0", None), (True, None), ([80], None),
     ({"a": 80}, None)],
)  # fmt: skip
def test_a_value_is_the_text_that_a_csv_would_hold(
    tmp_path: Path, read: Reader, value: object, sugar: float | None
) -> None:
    rows = read(_write(tmp_path, RECORD, {**RECORD, "Sugar": value}), ["sugar"])
    shown = value if isinstance(value, str) else json.dumps(value)
    assert rows["sugar"].to_list() == [12.5, sugar]
    assert rows[REASON][1] is None if sugar else f"sugar: '{shown}' is not a number" in rows[REASON][1]


def test_absent_keys_are_missing_and_further_keys_are_columns_that_nobody_reads(
    tmp_path: Path, read: Reader
) -> None:
    lacking = {key: value for key, value in RECORD.items() if key not in {"Sugar", "Seeds"}}
    lines = ({**RECORD, "Sugar": None}, lacking, {**dict(reversed(RECORD.items())), "note": {"a": [1]}})
    rows = read(_write(tmp_path, *lines), ["sugar", "seeds"])
    assert rows[LINE].to_list() == [1, 2, 3]
    assert rows[REASON].to_list() == [None, "seeds: it is missing", None]
    assert rows["sugar"].to_list() == [None, None, 12.5]


def test_rows_bear_the_numbers_of_their_lines(tmp_path: Path, read: Reader) -> None:
    """Blank lines count, and line breaks within a text do not; the file is of several blocks."""
    note = {"note": 'two\nlines, "quoted"' * (BLOCK_BYTES // 60)}
    lines: list[str | dict[str, Any]] = [
        {**RECORD, **note},
        "",
        *({**RECORD, **note, "Weight": f"{100 + i}"} for i in range(6)),
        RECORD,
    ]
    rows = read(_write(tmp_path, *lines, "", "{}", RECORD), ["weight"])
    assert rows[LINE].to_list() == [1, *range(3, 10), 12]
    assert rows["weight"].to_list() == [180, *range(100, 106), 180, 180]


def test_a_key_that_appears_late_is_a_column(tmp_path: Path, read: Reader) -> None:
    lines = [dict(zip(HEADER, row, strict=True)) for row in build_rows(300)]
    late = [{key: value for key, value in line.items() if key != "Sugar"} for line in lines[:299]]
    assert read(_write(tmp_path, *late, lines[299]), ["sugar"])["sugar"].null_count() == 299


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"a": 1', "Expecting ',' delimiter"),
        ('{"a": 1} {"a": 2}', "Extra data, character 10"),
        ("a,b", "Expecting value, character 1"),
        ("[1, 2]", "it is another value"),
        ("null", "it is another value"),
        ('{"a": NaN}', "NaN is no JSON; write null"),
        ('{"a": -Infinity}', "-Infinity is no JSON; write null"),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice"),
        ('{"a": "\\ud800"}', "it holds half of a surrogate pair"),
        ('{"\\ud800": 1}', "it holds half of a surrogate pair"),
        ('{"a": ' + "[" * 100_000 + "}", "it is nested too deeply"),
    ],
)
def test_a_broken_line_is_named_by_its_number(tmp_path: Path, line: str, problem: str) -> None:
    path = _write(tmp_path, RECORD, RECORD, line, RECORD)
    with pytest.raises(SourceError) as caught:
        inspect_file(path, "my file")
    assert f"my file: line 3 is no JSON object ({problem}" in str(caught.value)
    assert "write one object on each line" in str(caught.value)


def test_a_broken_first_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="line 1 is no JSON object"):
        inspect_file(_write(tmp_path, '{"a": 1,,}', RECORD), "my file")


def test_a_line_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": "caf\xe9"}\n')
    with pytest.raises(SourceError, match="line 2, byte 11: 0xe9 is no UTF-8"):
        inspect_file(path, "my file")


def test_missing_columns_are_named(tmp_path: Path, read: Reader) -> None:
    with pytest.raises(ColumnsError, match="missing column"):
        read(_write(tmp_path, {"a": 1}), [])


def test_an_object_of_other_keys_on_each_line_is_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MAX_KEYS", 3)
    with pytest.raises(UnknownFormatError, match="more than 3 different keys up to line 4"):
        collect_keys(BytesIO(b"".join(b'{"%d": 1}\n' % i for i in range(9))))


def test_digits_stay_as_they_are_written() -> None:
    digits = "1" * 5000
    line = f'{{"a": {digits}, "b": 1.10, "c": 1E5, "d": "\\u00e9", "e": "x,\\"y"}}'.encode()
    keys, count = collect_keys(BytesIO(line))
    assert (keys, count) == (("a", "b", "c", "d", "e"), 1)
    assert b"".join(convert_to_csv(BytesIO(line), keys)).decode() == f'{digits},1.10,1E5,é,"x,""y"\n'
