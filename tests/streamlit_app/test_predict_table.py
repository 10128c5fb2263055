"""A CSV as records, and the scoring of its rows."""

import gzip
from collections.abc import Sequence

import pytest

from streamlit_app.client.predict import (
    BatchPrediction,
    FieldInfo,
    InputRecord,
    ModelSchema,
    PredictionBatch,
)
from streamlit_app.client.transport import FieldError, RefusedError, UnreachableError
from streamlit_app.predict.csv_table import MAX_ROWS, CsvError, CsvTable, build_template, parse_cell, read_csv
from streamlit_app.predict.file_results import join_results
from streamlit_app.predict.file_scoring import BATCH_ROWS, FileScoring


def build_field(name: str, kind: str, *, nullable: bool = False, levels: Sequence[str] = ()) -> FieldInfo:
    return FieldInfo(
        name=name, kind=kind, description=name, unit="", minimum=None, maximum=None, levels=[*levels],
        nullable=nullable, default="red" if levels else 1.5,
    )  # fmt: skip


SCHEMA = ModelSchema(
    model="small", version=1, task="binary", labels=["no", "yes"], threshold=0.5, places=None,
    fields=[
        build_field("size", "number"),
        build_field("count", "integer", nullable=True),
        build_field("colour", "category", nullable=True, levels=["red", "green"]),
    ],
)  # fmt: skip


def read_table(text: str | bytes) -> CsvTable:
    return read_csv(text if isinstance(text, bytes) else text.encode(), SCHEMA)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"size,count,colour\n1.5,2,red\n,,\n-3e2,,\n", id="commas and a blank line"),
        pytest.param(b"size;count;colour\r\n1,5;2;red\r\n-3e2;;\r\n", id="semicolons and decimal commas"),
        pytest.param(b"size\tcount\tcolour\n1.5\t2\tred\n-300\t\t\n", id="tabs"),
        pytest.param(b'\xef\xbb\xbf"size","count","colour"\n"1.5","2","red"\n-300,,', id="BOM, quotes"),
        pytest.param("size,count,colour\n1.5,2,red\n-300,,\n".encode("utf-16"), id="UTF-16"),
        pytest.param(b" size , count,colour\n 1.5, 2 ,red \n-300\n", id="blanks and a short row"),
        pytest.param(b"size,count,colour\r1.5,2,red\r-300,,\r", id="line ends of old"),
    ],
)  # fmt: skip
def test_the_same_rows_in_many_formats(raw: bytes) -> None:
    found = read_table(raw)
    assert found.records == (
        {"size": 1.5, "count": 2, "colour": "red"}, {"size": -300.0, "count": None, "colour": None},
    )  # fmt: skip
    assert isinstance(found.records[0]["count"], int)


def test_a_comma_in_a_number_is_not_guessed_where_commas_part() -> None:
    assert read_table('size,count\n"1,5",2\n').records == ({"size": "1,5", "count": 2},)


@pytest.mark.parametrize(
    ("delimiter", "cell", "value"),
    [
        (",", '"1,667"', 1667.0),
        (",", '"0,200"', "0,200"),
        (",", "145.500", 145.5),
        ("\t", "1,45,500", 145_500.0),
        (";", "145.500", "145.500"),
        (";", "145,500", "145,500"),
        (";", "0,200", 0.2),
        (";", "1.234,5", 1234.5),
        (";", "1.234.567", 1_234_567.0),
        (";", "1.5", 1.5),
        (";", "12", 12.0),
        (",", "NA", None),
        (",", "?", None),
    ],
)
def test_a_number_is_read_as_in_files_and_an_ambiguous_one_is_not(
    delimiter: str, cell: str, value: object
) -> None:
    found = read_table(f"size{delimiter}colour\n{cell}{delimiter}red\n")
    assert found.records == ({"size": value, "colour": "red"},)
    ambiguous = delimiter == ";" and value == cell
    assert found.ambiguous_numbers == ({2: cell} if ambiguous else {})


def test_a_missing_text_that_is_a_level_is_that_level() -> None:
    schema = SCHEMA.model_copy(update={"fields": [build_field("country", "category", levels=["NA", "ZA"])]})
    assert read_csv(b"country\nNA\n", schema).records == ({"country": "NA"},)


@pytest.mark.parametrize("cell", ["NaN", "inf", "1e999", "1_000", "0x10", "two", "٣"])
def test_what_is_no_number_is_left_for_the_server_to_name(cell: str) -> None:
    assert read_table(f"size\n{cell}\n").records == ({"size": cell},)


def test_a_fraction_is_not_cut_to_a_whole_number() -> None:
    assert read_table("size,count\n1,2.5\n").records[0]["count"] == 2.5


def test_letters_of_windows() -> None:
    assert read_table("size,colour\n1,ñ\n".encode("cp1252")).records[0]["colour"] == "ñ"


def test_columns_are_named_that_are_no_fields_or_not_there() -> None:
    found = read_table("Size,size,color,note\n1,2,red,x\n")
    assert found.unknown_columns == {"Size": "size", "color": "colour", "note": ""}
    assert found.missing_fields == ("count", "colour")
    assert found.records == ({"size": 2.0},)


def test_lines_are_counted_as_a_spreadsheet_does() -> None:
    assert read_table("size\n1\n\n2\n").lines == (2, 4)


def test_a_row_that_is_too_long_is_noted() -> None:
    assert read_table("size,count\n1,2\n1,2,3\n1,2,\n").long_rows == {1}


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (gzip.compress(b"size\n1\n", mtime=0), "gzip"),
        (b"PK\x03\x04", "zip, Excel"),
        (b"PAR1", "Parquet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel"),
        (b"ARROW1", "Arrow"),
        (b"%PDF-1.7", "PDF"),
        (b'\xef\xbb\xbf\n{"size": 1}\n', "JSON"),
        (b'[{"size": 1}]', "JSON"),
    ],
)
def test_a_file_of_another_format_is_named(raw: bytes, name: str) -> None:
    with pytest.raises(CsvError) as caught:
        read_table(raw)
    assert (caught.value.reason, caught.value.names) == ("foreign", (name,))


@pytest.mark.parametrize(
    ("text", "reason", "names"),
    [
        pytest.param("", "empty", (), id="nothing"),
        pytest.param("\n\n ,\n", "empty", (), id="blank"),
        pytest.param("size,count\n", "no_rows", (), id="no rows"),
        pytest.param("sep=;\nsize;count\n1;2\n", "mark", ("sep=;",), id="line of Excel"),
        pytest.param('"SEP=,"\r\nsize\r\n1\r\n', "mark", ('"SEP=,"',), id="quoted line of Excel"),
        pytest.param("\ufeff\ufeffsize\n1\n", "mark", ("U+FEFF",), id="two byte-order marks"),
        pytest.param("size\n1\n\x1a", "mark", ("Ctrl-Z (0x1A)",), id="Ctrl-Z"),
        pytest.param("size\n1\x1a\r\n", "mark", ("Ctrl-Z (0x1A)",), id="Ctrl-Z in the last line"),
        pytest.param("count,colour\n1,red\n", "missing_columns", ("size",), id="a required column"),
        pytest.param("1.5,2,red\n1,2,red\n", "missing_columns", ("size",), id="no header"),
        pytest.param("size,count,size\n1,2,3\n", "duplicate_columns", ("size",), id="duplicate"),
        pytest.param("size\n" + "1\n" * (MAX_ROWS + 1), "too_many_rows", (), id="many"),
    ],
)
def test_unreadable(text: str, reason: str, names: tuple[str, ...]) -> None:
    with pytest.raises(CsvError) as caught:
        read_table(text)
    assert (caught.value.reason, caught.value.names) == (reason, names)


def test_a_cell_that_no_reader_takes() -> None:
    with pytest.raises(CsvError, match="invalid"):
        read_table("size\n" + "1" * 200_000 + "\n")


def test_the_template_is_read_back() -> None:
    assert read_table(build_template(SCHEMA)).records == ({"size": 1.5, "count": 1.5, "colour": "red"},)


class FakePredictor:
    """Refuses sizes above 9, lists at most a hundred errors, and answers the others."""

    def __init__(self, broken: int = 0) -> None:
        self.broken, self.asked, self.answered = broken, 0, [0.0][:0]

    def __call__(self, records: Sequence[InputRecord]) -> PredictionBatch:
        self.asked += 1
        if self.asked == self.broken:
            raise UnreachableError("http://server", "gone")
        sizes = [float(str(record["size"])) for record in records]
        faults = [FieldError(row=i, field="size", value=size) for i, size in enumerate(sizes) if size > 9]
        self.answered += [size for size in sizes if size <= 9]
        answers = [
            BatchPrediction(prediction=size, prediction_id=f"{size}", error=None)
            if size <= 9
            else BatchPrediction(prediction=None, prediction_id=None, error=f"{size} is too large")
            for size in sizes
        ]
        return PredictionBatch(model="small", version=3, predictions=answers, errors=faults[:100])


def score_sizes(sizes: Sequence[int], server: FakePredictor) -> FileScoring:
    scoring = FileScoring(name="x.csv", table=read_table("size\n" + "".join(f"{size}\n" for size in sizes)))
    scoring.score_pending(server)
    return scoring


def test_refused_rows_are_noted_and_the_others_scored_once() -> None:
    server = FakePredictor()
    found = score_sizes([1, 10, 2, 11, 3], server)
    assert {place: answer.prediction for place, answer in found.results.items()} == {0: 1, 2: 2, 4: 3}
    assert {place: faults[0].value for place, faults in found.refused.items()} == {1: 10, 3: 11}
    assert (found.pending, found.versions, server.answered) == ([], [3], [1, 2, 3])


def test_blocks_keep_their_places() -> None:
    sizes = [20 if place % 7 == 0 else place % 9 for place in range(BATCH_ROWS * 2 + 3)]
    server = FakePredictor()
    found = score_sizes(sizes, server)
    assert found.pending == []
    assert {*found.refused} == {place for place, size in enumerate(sizes) if size > 9}
    assert all(answer.prediction == sizes[place] for place, answer in found.results.items())
    assert len(server.answered) == len(found.results)


def test_a_file_without_a_good_row_is_sent_once() -> None:
    server = FakePredictor()
    found = score_sizes([20] * BATCH_ROWS, server)
    assert (found.pending, server.asked, len(found.refused)) == ([], 1, BATCH_ROWS)
    # beyond the errors by field, the text of the row says why
    assert found.refused[99][0].value == 20
    assert found.refused[100] == [FieldError(row=100, allowed="20.0 is too large")]


def test_what_is_left_after_a_failure_is_scored_later_and_nothing_twice() -> None:
    server = FakePredictor(broken=2)
    found = score_sizes([1] * (BATCH_ROWS + 2), server)
    assert isinstance(found.error, UnreachableError)
    assert len(found.pending) == 2
    found.score_pending(server)
    assert found.pending == []
    assert score_sizes([1], FakePredictor()).error is None
    assert len(server.answered) == BATCH_ROWS + 2


def test_each_answer_names_the_version_that_gave_it() -> None:
    server, versions = FakePredictor(), iter([3, 4])

    def answer_by_two_versions(records: Sequence[InputRecord]) -> PredictionBatch:
        return server(records).model_copy(update={"version": next(versions)})

    found = FileScoring(name="x.csv", table=read_table("size\n" + "1\n" * (BATCH_ROWS + 1)))
    found.score_pending(answer_by_two_versions)
    assert found.versions == [3, 4]
    assert [*join_results(SCHEMA, found)["version"]] == [3] * BATCH_ROWS + [4]


def test_columns_of_the_file_that_are_called_like_those_of_predictions_are_kept_apart() -> None:
    names = ("size", "label", "raw label", "probability", "version", "prediction_id", "refused", "model")
    text = ",".join(names) + "\n" + ",".join(["1", *names[1:]]) + "\n"
    found = FileScoring(name="x.csv", table=read_table(text))
    found.score_pending(FakePredictor())
    frame = join_results(SCHEMA, found, refused=True)
    assert [*frame.columns] == [
        "size", "raw raw label", "raw label", "raw probability", "raw version", "raw prediction_id",
        "raw refused", "model", "label", "probability", "version", "prediction_id", "refused",
    ]  # fmt: skip
    assert [*frame.iloc[0]][: len(names)] == ["1", *names[1:]]


def test_a_refusal_that_names_no_row_is_a_problem_of_all() -> None:
    def raise_busy(_: Sequence[InputRecord]) -> PredictionBatch:
        raise RefusedError(503, "busy")

    found = FileScoring(name="x.csv", table=read_table("size\n1\n"))
    found.score_pending(raise_busy)
    assert isinstance(found.error, RefusedError)
    assert found.pending == [0]


def test_a_row_that_is_too_long_is_not_sent() -> None:
    server = FakePredictor()
    found = FileScoring(name="x.csv", table=read_table("size,count\n1,2\n5,2,3\n"))
    found.score_pending(server)
    assert (server.answered, found.refused[1][0].reason) == ([1], "too_long")


@pytest.mark.parametrize(
    ("cell", "value"),
    [("Yes", True), ("1.0", True), ("f", False), ("FALSE", False), ("NA", None), ("ja", "ja")],
)
def test_a_boolean_is_read_from_the_usual_words(cell: str, value: object) -> None:
    assert parse_cell(build_field("flag", "boolean", nullable=True), cell, comma=False) == value
