"""Fields of several raw columns, whose texts are joined: files, synthetic samples, schemas and requests."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from orchard_use_case import FIELDS, GOOD, HEADER, build_use_case, transform_file, write_csv
from servicio_ml.adapters.raw_data import raw_files
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.use_case import Dialect
from servicio_ml.errors import ColumnsError, InvalidError, SourceError, UseCaseError
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.synthetic.sampler import draw_rows
from servicio_ml.pipeline.check_raw_file import check_raw_file
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import inspect_file
from servicio_ml.pipeline.reading.transform import REASON, STATUS
from servicio_ml.serving.models.request_decoder import Decoder

DAY = replace(FIELDS[0], column=("Year", "Month", "Day"), parse=Parse(date_format="%Y %m %d"))
PICKER = Field(
    name="picker", kind=Kind.CATEGORY, column=("First", "Last"), levels=("Ada Lovelace", "Alan T."),
    nullable=True, parse=Parse(recode={"Alan Turing": "Alan T."}),
)  # fmt: skip
SCHEMA = FeatureSchema(fields=(DAY, *FIELDS[1:], PICKER))
COLUMNS = ("Year", "Month", "Day", "First", "Last", *HEADER[1:])
ROWS = [
    ("2020", "6", "30", "Ada", "Lovelace", *GOOD[1:]),
    ("2020", "6", "3", " Alan ", "Turing", *GOOD[1:]),
    ("2020", "6", "2", "Ada", "NA", *GOOD[1:]),
    ("2020", "6", "", "Ada", "Lovelace", *GOOD[1:]),
    ("2020", "6", "31", "Alan", "Lovelace", *GOOD[1:]),
]
READ = [
    ("2020-06-30", "Ada Lovelace", "kept", None),
    ("2020-06-03", "Alan T.", "kept", None),
    ("2020-06-02", None, "kept", None),
    (None, "Ada Lovelace", "quarantined", "day: it is missing"),
    (
        None, None, "quarantined",
        f"day: '2020 6 31' is not {DAY.allowed}; picker: 'Alan Lovelace' is not one of Ada Lovelace, Alan T.",
    ),
]  # fmt: skip


def _write_parquet(path: Path) -> Path:
    rows = pl.DataFrame(ROWS, schema=list(COLUMNS), orient="row")
    numbers = pl.col("Year", "Month", "Day").replace("", None).cast(pl.Int16)
    rows.with_columns(numbers).write_parquet(path)
    return path


@pytest.mark.parametrize("packing", ["csv", "parquet"])
def test_the_texts_are_joined(tmp_path: Path, packing: str) -> None:
    path, use_case = tmp_path / f"a.{packing}", build_use_case(schema=SCHEMA, deduplicate=False)
    source = write_csv(path, ROWS, COLUMNS) if packing == "csv" else _write_parquet(path)
    (tmp_path / "work").mkdir()
    found = transform_file(source, use_case, tmp_path / "work")
    assert found.select(pl.col("day").cast(pl.String), "picker", STATUS, REASON).rows() == READ
    batches = open_batches(inspect_file(source, source.name), InputSpec(schema=SCHEMA, use_case=use_case))
    scored = batches.prepare(next(batches.raw_frames))
    assert scored.select(pl.col("day").cast(pl.String), "picker").rows() == [row[:2] for row in READ]


def _write_floats(path: Path) -> Path:
    """Write the parts of days as numbers with a fraction of 0: in Parquet, JSON lines or a text file."""
    rows = pl.DataFrame(ROWS, schema=list(COLUMNS), orient="row")
    floats = rows.with_columns(pl.col("Year", "Month", "Day").replace("", None).cast(pl.Float64))
    if path.suffix == ".parquet":
        floats.write_parquet(path)
    elif path.suffix == ".jsonl":
        floats.write_ndjson(path)
    else:
        floats.write_csv(path)
    return path


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_parts_of_days_may_be_floats(tmp_path: Path, suffix: str) -> None:
    source = _write_floats(tmp_path / f"a.{suffix}")
    (tmp_path / "work").mkdir()
    found = transform_file(source, build_use_case(schema=SCHEMA, deduplicate=False), tmp_path / "work")
    days = ["2020-06-30", "2020-06-03", "2020-06-02", None, None]
    assert found["day"].cast(pl.String).to_list() == days
    assert found[REASON].to_list()[3:] == [row[3] for row in READ[3:]]


def test_a_file_of_values_has_the_joined_ones(tmp_path: Path) -> None:
    names = (*SCHEMA.field_names,)
    source = write_csv(tmp_path / "a.csv", [("2020-06-30", *GOOD[1:5], "Ada Lovelace")], names)
    spec = InputSpec(schema=SCHEMA, use_case=build_use_case(schema=SCHEMA))
    batches = open_batches(inspect_file(source, source.name), spec)
    row = batches.prepare(next(batches.raw_frames)).row(0, named=True)
    assert (str(row["day"]), row["picker"], row[REASON]) == ("2020-06-30", "Ada Lovelace", None)


def test_a_file_without_one_of_the_columns_is_refused(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "a.csv", [row[1:] for row in ROWS], COLUMNS[1:])
    (tmp_path / "work").mkdir()
    with pytest.raises(ColumnsError, match="Year"):
        transform_file(source, build_use_case(schema=SCHEMA), tmp_path / "work")


def test_a_joined_code_of_another_dialect_is_refused(tmp_path: Path) -> None:
    other = Dialect(name="other", parse={"picker": Parse(recode={"Alan Lovelace": "Alan T."})})
    use_case = build_use_case(schema=SCHEMA, dialects=(Dialect(name="original"), other))
    source = write_csv(tmp_path / "a.csv", ROWS, COLUMNS)
    with pytest.raises(SourceError, match="no code 'Alan Lovelace' of 'First', 'Last' in line 6"):
        check_raw_file(use_case, source, source_name="a.csv")


def test_a_synthetic_sample_has_the_parts_of_days(tmp_path: Path) -> None:
    use_case = build_use_case(schema=FeatureSchema(fields=(DAY, *FIELDS[1:])))
    table = draw_rows(use_case, 200, np.random.default_rng(0))
    raw_files.write_csv(tmp_path / "a.csv", table.columns, header=table.named)
    (tmp_path / "work").mkdir()
    found = transform_file(tmp_path / "a.csv", use_case, tmp_path / "work")
    assert set(found[STATUS]) == {"kept"}
    with pytest.raises(UseCaseError, match="no texts of 'First', 'Last' can be made up, of which picker is"):
        draw_rows(build_use_case(schema=SCHEMA), 5, np.random.default_rng(0))


def test_a_schema_is_the_same_after_json() -> None:
    assert FeatureSchema.from_json(json.loads(json.dumps(SCHEMA.to_json()))) == SCHEMA
    assert DAY.description == "Picked on"
    assert PICKER.description == "First, Last"


def test_a_request_has_the_joined_value() -> None:
    decoder = Decoder("orchard", Encoder(SCHEMA), max_rows=5)
    record: dict[str, Any] = {"day": "2020-06-30", "Weight": 180, "Seeds": 7, "picker": "Ada Lovelace"}
    assert decoder.decode_record(json.dumps(record).encode()).matrix.shape[0] == 1
    with pytest.raises(InvalidError, match="no such field; picker, which it is a part of, is one of Ada"):
        decoder.decode_record(json.dumps({**record, "First": "Ada"}).encode())
