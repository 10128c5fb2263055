"""The transform gives the same rows on PySpark and on Polars."""

import shutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from orchard_use_case import FIELDS, LAST_DAY, build_row, build_use_case, plan_read, write_csv
from servicio_ml.adapters.raw_data import raw_files
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.synthetic.sampler import draw_rows
from servicio_ml.pipeline.reading.input_file import copy_input_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.pipeline.reading.text import LINE
from servicio_ml.pipeline.reading.transform import FIRST, ROW_IDENTIFIER, STATUS, transform
from servicio_ml.use_cases.catalogue import find

ROWS = 300
QUIRKS = [
    build_row(),
    build_row(),
    build_row(Weight="1.5 KG", Seeds='"12,345"', Colour="r"),
    build_row(Weight="99.5g", Sugar=".5"),
    build_row(Weight="about 3", Seeds="7.5", Ripe="maybe"),
    build_row(Sugar="1e999", Colour="blue"),
    build_row(Seeds="7.0", Sugar="12.50"),
    build_row(Day="2020-02-30", Seeds="NA"),
    build_row(Day="2021-01-01"),
    build_row(Ripe="?", Seeds="x"),
    build_row(Weight="5 g", Day="2020-01-31T00:00"),
    build_row(Weight="12 oz", Day="2020-01-31 00:00:00+10:00"),
    build_row(Weight="1 667 g", Day="2020-01-31 12:00"),
    build_row(Weight='"1,667 g"', Seeds='"0,200"'),
    build_row()[:3],
    build_row()[:3],
]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    sql = pytest.importorskip("pyspark.sql", reason="PySpark is not installed")
    if shutil.which("java") is None:
        pytest.skip("PySpark needs java, which is not installed")
    builder = sql.SparkSession.builder.master("local[2]").appName("servicio-ml")
    for key, value in (
        ("spark.ui.enabled", "false"),
        ("spark.driver.bindAddress", "127.0.0.1"),
        ("spark.driver.host", "127.0.0.1"),
        ("spark.sql.shuffle.partitions", "2"),
    ):
        builder = builder.config(key, value)
    with warnings.catch_warnings():
        # PySpark 4.3 calls itself untested on pandas 3, and forks while others have threads
        warnings.simplefilter("ignore")
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        yield session
        session.stop()


def _compare_engines(source: Path, use_case: UseCase, spark: Any, folder: Path) -> pl.DataFrame:
    """The rows of both engines, which must be equal; those of Polars are returned."""
    raw = read_rows(copy_input_file(source, "a", folder), use_case)
    reading = plan_read(use_case, raw.dialect, raw.absent_fields)
    texts = raw.frame.collect()
    types = ", ".join(f"`{name}` {'long' if name == LINE else 'string'}" for name in texts.columns)
    remote = spark.createDataFrame(texts.rows(), types)
    frames = []
    for rows in (texts.lazy(), remote):
        made = transform(nw.from_native(rows), use_case, reading, last_day=LAST_DAY).collect("polars")
        frame: pl.DataFrame = made.to_native()
        frames.append(frame.sort(LINE).with_columns(pl.col(LINE, FIRST).cast(pl.Int64)))
    polars, pyspark = frames
    assert polars.schema == pyspark.schema
    assert polars.equals(pyspark)
    return polars


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
class TestPySpark:
    @pytest.mark.parametrize("name", ["rain_australia", "employee_burnout", "heart_disease", "vehicle_price"])
    def test_synthetic_rows(self, spark: Any, tmp_path: Path, name: str) -> None:
        use_case = find(name)
        table = draw_rows(use_case, ROWS, np.random.default_rng(0))
        raw_files.write_csv(tmp_path / "sample.csv", table.columns, header=table.named)
        assert len(_compare_engines(tmp_path / "sample.csv", use_case, spark, tmp_path)) == ROWS

    def test_text_around_numbers(self, spark: Any, tmp_path: Path) -> None:
        digits = Parse(pattern=r"([0-9.]+)")
        fields = tuple(replace(each, parse=digits) if each.name == "weight" else each for each in FIELDS)
        texts = [
            "5½",
            "5٣",
            "(5)",
            "5 m2",
            "5 m²",
            "5 m2 2",
            "-€5",
            "5-7",
            "5e3",
            "5 l/100km",
            "<5",
            "‑5",
            "€5",
            "5k",
            "5 million",
        ]
        use_case = build_use_case(schema=FeatureSchema(fields=fields), event_date="", deduplicate=False)
        source = write_csv(tmp_path / "a.csv", [build_row(Weight=text) for text in texts])
        frame = _compare_engines(source, use_case, spark, tmp_path)
        kept = frame.filter(pl.col(STATUS) == "kept")[LINE].to_list()
        assert [texts[line - 2] for line in kept] == ["5 m2", "5 m²", "5 l/100km", "€5"]

    @pytest.mark.parametrize(
        ("date_format", "texts", "expected"),
        [
            (
                "%m/%d/%Y",
                [
                    "1/31/2016 9:05 PM",
                    "2016-01-31T23:59:59.9+05:30",
                    "2016-01-31",
                    "2016-02-30 10:00",
                    "noon",
                ],
                ["2016-01-31T21:05:00", "2016-01-31T23:59:59", "2016-01-31T00:00:00"],
            ),
            (
                "epoch_ms",
                ["1454274300999", "-1", "2016-01-31 21:05", "1e12", "99999999999999"],
                ["2016-01-31T21:05:00", "1969-12-31T23:59:59", "2016-01-31T21:05:00"],
            ),
        ],
    )
    def test_date_times(
        self, spark: Any, tmp_path: Path, date_format: str, texts: list[str], expected: list[str]
    ) -> None:
        day, *others = FIELDS
        parse = Parse(date_format=date_format)
        fields = (replace(day, kind=Kind.DATETIME, example="2020-01-31T00:00", parse=parse), *others)
        use_case = build_use_case(schema=FeatureSchema(fields=fields), event_date="", deduplicate=False)
        path = write_csv(tmp_path / "a.csv", [build_row(Day=text) for text in texts])
        frame = _compare_engines(path, use_case, spark, tmp_path)
        kept = frame.filter(pl.col(STATUS) == "kept")["day"].dt.strftime("%Y-%m-%dT%H:%M:%S")
        assert kept.to_list() == expected

    def test_booleans_days_of_other_formats_and_levels_in_any_case(self, spark: Any, tmp_path: Path) -> None:
        day, weight, seeds, colour, _ = FIELDS
        fields = (
            replace(day, parse=Parse(date_format="%d %b %y")), weight, seeds,
            replace(colour, parse=Parse(fold_case=True)),
            Field(name="sugar", kind=Kind.BOOLEAN, column="Sugar", nullable=True),
        )  # fmt: skip
        texts = [
            ("15 June 16", "Green", "Yes"), ("1  sep. 69", "GREEN", "0.0"), ("2016-06-15", "red", "T"),
            ("31 feb 16", "red", "T"), ("15 6 16", "red", "T"), ("15 Jun 16", "gr een", "T"),
            ("15 Jun 16", "red", "2"), ("15 Jun 16", "red", "NA"),
        ]  # fmt: skip
        use_case = build_use_case(schema=FeatureSchema(fields=fields), event_date="", deduplicate=False)
        rows = [build_row(Day=day, Colour=colour, Sugar=sugar) for day, colour, sugar in texts]
        frame = _compare_engines(write_csv(tmp_path / "a.csv", rows), use_case, spark, tmp_path)
        kept = frame.filter(pl.col(STATUS) == "kept").select("day", "colour", "sugar")
        assert kept.with_columns(pl.col("day").cast(pl.String)).rows() == [
            ("2016-06-15", "green", "true"), ("1969-09-01", "green", "false"), ("2016-06-15", "red", "true"),
            ("2016-06-15", "red", None),
        ]  # fmt: skip

    @pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Apia"])
    def test_days_as_unix_time(self, spark: Any, tmp_path: Path, zone: str) -> None:
        day, *others = FIELDS
        fields = (replace(day, parse=Parse(date_format="epoch_ms")), *others)
        texts = [
            "1465948800000",
            "1466035199999",
            "-1",
            "2016-06-15",
            "-30610224000000",
            "99999999999999",
            "x",
        ]
        use_case = build_use_case(schema=FeatureSchema(fields=fields), event_date="", deduplicate=False)
        rows = write_csv(tmp_path / "a.csv", [build_row(Day=text) for text in texts])
        usual = spark.conf.get("spark.sql.session.timeZone")
        spark.conf.set("spark.sql.session.timeZone", zone)
        try:
            frame = _compare_engines(rows, use_case, spark, tmp_path)
        finally:
            spark.conf.set("spark.sql.session.timeZone", usual)
        days = frame.filter(pl.col(STATUS) == "kept")["day"].cast(pl.String).to_list()
        assert days == ["2016-06-15", "2016-06-15", "1969-12-31", "2016-06-15", "1000-01-01"]

    def test_joined_columns_and_an_identifier(self, spark: Any, tmp_path: Path) -> None:
        parse = Parse(date_format="%Y %m %d")
        joined = replace(FIELDS[0], column=("Day", "Seeds", "Sugar"), parse=parse, direct=False)
        texts = [("2020.0", "6", "30.0"), ("2020", "6", "31"), ("2020", "NA", "3"), ("2020", "", "3")]
        use_case = build_use_case(
            schema=FeatureSchema(fields=(joined, FIELDS[1], FIELDS[3])), event_date="", deduplicate=False,
            identifier="Seeds",
        )  # fmt: skip
        rows = [build_row(Day=year, Seeds=month, Sugar=day) for year, month, day in texts]
        frame = _compare_engines(write_csv(tmp_path / "a.csv", rows), use_case, spark, tmp_path)
        assert frame["day"].cast(pl.String).to_list() == ["2020-06-30", None, None, None]
        assert frame[ROW_IDENTIFIER].to_list() == ["6", "6", None, None]

    def test_the_day_the_hour_and_the_minute_of_moments(self, spark: Any, tmp_path: Path) -> None:
        day, weight, seeds, colour, sugar = FIELDS
        hour = Parse(pattern=r"^[\d/.-]+[T ]+(\d{1,2}):.*$")
        minute = Parse(pattern=r"^[\d/.-]+[T ]+\d{1,2}:(\d{2}).*$")
        fields = (
            replace(day, parse=Parse(pattern=r"^(\d{4}-\d{2}-\d{2})(?:[T ]\d|$)")),
            weight, seeds, colour, sugar,
            Field(name="hour", kind=Kind.INTEGER, column="Day", minimum=0, maximum=23, parse=hour),
            Field(name="minute", kind=Kind.INTEGER, column="Day", minimum=0, maximum=59, parse=minute),
        )  # fmt: skip
        texts = [
            "2016-06-15T00:00:00", "2016-06-15 9:05", "2016-06-15T23:59:59.5+02:00", "2016-06-15 24:00",
            "2016-06-15",
        ]  # fmt: skip
        use_case = build_use_case(schema=FeatureSchema(fields=fields), event_date="", deduplicate=False)
        source = write_csv(tmp_path / "a.csv", [build_row(Day=text) for text in texts])
        frame = _compare_engines(source, use_case, spark, tmp_path)
        kept = frame.filter(pl.col(STATUS) == "kept").select("hour", "minute")
        assert kept.rows() == [(0, 0), (9, 5), (23, 59)]

    def test_quirks(self, spark: Any, tmp_path: Path) -> None:
        frame = _compare_engines(write_csv(tmp_path / "a.csv", QUIRKS), build_use_case(), spark, tmp_path)
        assert frame[STATUS].to_list() == (
            ["kept", "duplicate", "kept", "kept"]
            + 2 * ["quarantined"]
            + ["duplicate", "quarantined", "later", "unlabelled", "kept"]
            + 5 * ["quarantined"]
        )
