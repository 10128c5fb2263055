"""A stream as clients would send it, and the faults that a backtest puts into it."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from servicio_ml.adapters.console import SilentProgress
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.use_case import Dialect, Task, UseCase
from servicio_ml.errors import SettingsError, SourceError, UseCaseError
from servicio_ml.pipeline.backtest.fault_kinds import FaultKind
from servicio_ml.pipeline.backtest.faults import build_fault
from servicio_ml.pipeline.backtest.stream import (
    LabelledStream,
    build_requests,
    read_stream,
    sample_months,
    select_months,
)
from small_use_case import SCHEMA, build_use_case, generate_rows

HEADER = "Day,Size,Weight,Colour,Outcome\n"


def _build_use_case(task: Task = Task.BINARY) -> UseCase:
    return build_use_case(task, event_date="day")


def _read(text: str, folder: Path, progress: SilentProgress | None = None) -> LabelledStream:
    source = folder / "stream.csv"
    source.write_text(HEADER + text)
    return read_stream(source, "stream.csv", _build_use_case(), SCHEMA, folder, progress or SilentProgress())


def _generate_stream(
    task: Task = Task.BINARY, schema: FeatureSchema = SCHEMA, count: int = 300
) -> LabelledStream:
    frame = generate_rows(task, count).sort("day").with_columns(_flawed=None)
    return LabelledStream(rows=frame, use_case=_build_use_case(task), schema=schema)


class TestReading:
    """Rows are read as the ETL reads them, and judged as the server judges them."""

    def test_rows_are_in_the_order_of_their_dates_with_their_truths(self, tmp_path: Path) -> None:
        stream = _read("2020-02-01,1,2,red,yes\n2020-01-01,,1,NA,no\n2020-01-02,1,1,red,\n", tmp_path)
        asked = build_requests(stream, stream.rows)
        assert stream.ends == (date(2020, 1, 1), date(2020, 2, 1))
        assert asked.refused == []
        assert asked.matrix[:, 2].tolist() == [1, 1, 2]
        assert np.isnan(asked.matrix[0, [1, 3]]).all()
        assert np.array_equal(asked.truths, [0, np.nan, 1], equal_nan=True)

    @pytest.mark.parametrize(
        ("row", "faults"),
        [
            ("2020-01-01,1,2,purple,yes", [("colour", "level")]),
            ("2020-01-01,big,2,red,yes", [("size", "type")]),
            ("2020-01-01,1,11,red,yes", [("weight", "range")]),
            ("2020-01-01,1,,red,yes", [("weight", "missing")]),
            ("2020-01-01,x,11,purple,yes", [("size", "type"), ("colour", "level"), ("weight", "range")]),
        ],
        ids=["level", "type", "range", "missing", "several"],
    )
    def test_what_the_server_would_refuse_is_refused_for_its_reasons(
        self, row: str, faults: list[tuple[str, str]], tmp_path: Path
    ) -> None:
        stream = _read(f"2020-01-01,1,2,red,yes\n{row}\n", tmp_path)
        asked = build_requests(stream, stream.rows)
        assert len(asked.matrix) == len(asked.truths) == 1
        assert [[(each.field, each.reason) for each in row] for row in asked.refused] == [faults]

    def test_a_truth_that_is_no_label_never_came(self, tmp_path: Path) -> None:
        stream = _read("2020-01-01,1,2,red,maybe\n", tmp_path)
        assert np.isnan(build_requests(stream, stream.rows).truths).all()

    def test_malformed_lines_are_counted_and_left_out(self, tmp_path: Path) -> None:
        progress = SilentProgress()
        stream = _read(
            "2020-01-01,1,2,red,yes\n2020-01-02,1\n2020-01-03,1,2,red,yes,no\n", tmp_path, progress
        )
        assert stream.ends == (date(2020, 1, 1), date(2020, 1, 1))
        assert progress.warnings == ["2 lines with more or fewer fields than there are columns are left out"]

    def test_rows_without_a_date_are_counted_and_left_out(self, tmp_path: Path) -> None:
        progress = SilentProgress()
        stream = _read("2020-01-01,1,2,red,yes\n,1,2,red,yes\n2020-02-30,1,2,red,no\n", tmp_path, progress)
        assert len(stream.rows) == 1
        assert progress.warnings == ["2 rows without a date are left out"]

    @pytest.mark.parametrize(
        ("colour", "outcome", "column"), [("R", "yes", "Colour"), ("red", "1", "Outcome")]
    )
    def test_a_code_that_only_another_dialect_has_is_refused_as_in_the_etl(
        self, colour: str, outcome: str, column: str, tmp_path: Path
    ) -> None:
        parse = {"colour": Parse(recode={"R": "red"}), "outcome": Parse(recode={"1": "yes"})}
        other = Dialect(name="letters", columns={"outcome": "Result"}, parse=parse)
        use_case = build_use_case(event_date="day", dialects=(Dialect(name="original"), other))
        source = tmp_path / "stream.csv"
        source.write_text(f"{HEADER}2020-01-01,1,2,red,yes\n2020-01-02,1,2,{colour},{outcome}\n")
        with pytest.raises(SourceError, match=f"'original', which has no code '.' of '{column}' in line 3"):
            read_stream(source, "stream.csv", use_case, SCHEMA, tmp_path, SilentProgress())

    def test_a_use_case_without_dates_has_no_past(self, tmp_path: Path) -> None:
        with pytest.raises(UseCaseError, match="its rows bear no date"):
            read_stream(tmp_path / "a.csv", "a.csv", build_use_case(), SCHEMA, tmp_path, SilentProgress())


class TestTime:
    """Months are cut out and thinned out."""

    def test_the_months_from_the_first_to_the_last(self) -> None:
        found = select_months(_generate_stream(), "2020-03", "2020-04").dates
        assert (found.min(), found.max()) >= (date(2020, 3, 1), date(2020, 4, 1))
        assert found.max() <= date(2020, 4, 30)  # type: ignore[operator]  # a date

    def test_months_without_a_row_are_refused(self) -> None:
        with pytest.raises(SourceError, match="no row is dated from 2030-01-01 to 2030-01-31; its rows are"):
            select_months(_generate_stream(), "2030-01", "2030-01")

    def test_a_month_keeps_a_number_of_rows_in_their_order(self) -> None:
        stream = _generate_stream(count=3000)
        found = sample_months(stream, 20, seed=1)
        assert set(found.dates.dt.strftime("%Y-%m").value_counts()["count"]) == {20}
        assert found.dates.is_sorted()
        assert found.rows.equals(sample_months(stream, 20, seed=1).rows)
        assert not found.rows.equals(sample_months(stream, 20, seed=2).rows)
        assert sample_months(stream, 5000, seed=1).rows.equals(stream.rows)


def _warm(unit: str) -> FeatureSchema:
    names = {"size": unit, "weight": "kg"}
    numbers = [
        Field(name=name, kind=Kind.NUMBER, column=name, description="", example=1.0, unit=each)
        for name, each in names.items()
    ]
    return FeatureSchema(fields=(SCHEMA.fields[0], *numbers, SCHEMA.fields[3]))


class TestFaults:
    """A fault changes what it is about, from its month on, and nothing else."""

    @pytest.mark.parametrize(
        ("kind", "field", "schema", "column", "before", "after"),
        [
            ("sensor", "", SCHEMA, "size", 1.0, None),
            ("sensor", "weight", SCHEMA, "weight", 1.0, 0.25),
            ("unit", "", _warm("°C"), "size", 10.0, 50.0),
            ("unit", "weight", _warm("°C"), "weight", 2.0, 2000.0),
            ("coding", "", SCHEMA, "colour", "blue", "red"),
            ("labels", "", SCHEMA, "outcome", "no", "yes"),
        ],
        ids=["sensor lost", "sensor stuck", "°C to °F", "another unit", "coding", "labels"],
    )
    def test_a_value_before_and_after(
        self, kind: str, field: str, schema: FeatureSchema, column: str, before: object, after: object
    ) -> None:
        stream = _generate_stream(schema=schema)
        stream.rows[0, column] = stream.rows[-1, column] = before
        fault = build_fault(FaultKind(kind), "2021-01", field, schema, stream.use_case.target)
        found = fault.apply(stream).rows
        early = stream.dates < date(2021, 1, 1)
        assert found.filter(early).equals(stream.rows.filter(early))
        assert found[-1, column] == after
        assert found.drop(column).equals(stream.rows.drop(column))

    def test_numbers_that_are_predicted_are_scaled(self) -> None:
        stream = _generate_stream(Task.REGRESSION)
        fault = build_fault(FaultKind.LABELS, "2020-01", "", SCHEMA, stream.use_case.target)
        assert np.allclose(fault.apply(stream).rows["outcome"], 2 * stream.rows["outcome"])

    @pytest.mark.parametrize(
        ("kind", "field", "said"),
        [
            ("sensor", "colour", "'colour' cannot break so; a sensor fault is of: size, weight"),
            ("unit", "size", "a unit fault is of: weight"),
            ("labels", "size", "labels break as a whole"),
        ],
        ids=["no number", "no unit", "labels"],
    )
    def test_what_cannot_break_so_is_refused(self, kind: str, field: str, said: str) -> None:
        with pytest.raises(SettingsError, match=said):
            build_fault(FaultKind(kind), "2020-01", field, SCHEMA, _build_use_case().target)
