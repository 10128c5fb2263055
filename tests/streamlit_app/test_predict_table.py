"""A CSV as records, and the scoring of its rows."""

from collections.abc import Sequence

import pytest

from streamlit_app.client.predict import Answer, Batch, FieldInfo, Record, Schema
from streamlit_app.client.transport import Fault, Refused, Unreachable
from streamlit_app.prediction.file import joined
from streamlit_app.prediction.scoring import BLOCK_ROWS, MOST_ASKED, Scoring
from streamlit_app.prediction.table import MOST_ROWS, Table, Unreadable, read, template


def field(name: str, kind: str, *, nullable: bool = False, levels: Sequence[str] = ()) -> FieldInfo:
    return FieldInfo(
        name=name, kind=kind, description=name, unit="", minimum=None, maximum=None, levels=[*levels],
        nullable=nullable, default="red" if levels else 1.5,
    )  # fmt: skip


SCHEMA = Schema(
    model="small", version=1, task="binary", labels=["no", "yes"], threshold=0.5, places=None,
    fields=[
        field("size", "number"),
        field("count", "integer", nullable=True),
        field("colour", "category", nullable=True, levels=["red", "green"]),
    ],
)  # fmt: skip


def table(text: str | bytes) -> Table:
    return read(text if isinstance(text, bytes) else text.encode(), SCHEMA)


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
def test_the_same_rows_in_many_spellings(raw: bytes) -> None:
    found = table(raw)
    assert found.records == (
        {"size": 1.5, "count": 2, "colour": "red"}, {"size": -300.0, "count": None, "colour": None},
    )  # fmt: skip
    assert isinstance(found.records[0]["count"], int)


def test_a_comma_in_a_number_is_not_guessed_where_commas_part() -> None:
    assert table('size,count\n"1,5",2\n').records == ({"size": "1,5", "count": 2},)


@pytest.mark.parametrize("cell", ["NaN", "inf", "1e999", "1_000", "0x10", "two", "٣"])
def test_what_is_no_number_is_left_for_the_server_to_name(cell: str) -> None:
    assert table(f"size\n{cell}\n").records == ({"size": cell},)


def test_a_fraction_is_not_cut_to_a_whole_number() -> None:
    assert table("size,count\n1,2.5\n").records[0]["count"] == 2.5


def test_letters_of_windows() -> None:
    assert table("size,colour\n1,ñ\n".encode("cp1252")).records[0]["colour"] == "ñ"


def test_columns_are_named_that_are_no_fields_or_not_there() -> None:
    found = table("Size,size,color,note\n1,2,red,x\n")
    assert found.unknown == {"Size": "size", "color": "colour", "note": ""}
    assert found.absent == ("count", "colour")
    assert found.records == ({"size": 2.0},)


def test_lines_are_counted_as_a_spreadsheet_does() -> None:
    assert table("size\n1\n\n2\n").lines == (2, 4)


def test_a_row_that_is_too_long_is_noted() -> None:
    assert table("size,count\n1,2\n1,2,3\n1,2,\n").long == {1}


@pytest.mark.parametrize(
    ("text", "reason", "names"),
    [
        pytest.param("", "empty", (), id="nothing"),
        pytest.param("\n\n ,\n", "empty", (), id="blank"),
        pytest.param("size,count\n", "none", (), id="no rows"),
        pytest.param("count,colour\n1,red\n", "lacking", ("size",), id="a needed column"),
        pytest.param("1.5,2,red\n1,2,red\n", "lacking", ("size",), id="no header"),
        pytest.param("size,count,size\n1,2,3\n", "twice", ("size",), id="twice"),
        pytest.param("size\n" + "1\n" * (MOST_ROWS + 1), "many", (), id="many"),
    ],
)
def test_unreadable(text: str, reason: str, names: tuple[str, ...]) -> None:
    with pytest.raises(Unreadable) as caught:
        table(text)
    assert (caught.value.reason, caught.value.names) == (reason, names)


def test_a_cell_that_no_reader_takes() -> None:
    with pytest.raises(Unreadable, match="broken"):
        table("size\n" + "1" * 200_000 + "\n")


def test_the_template_is_read_back() -> None:
    assert table(template(SCHEMA)).records == ({"size": 1.5, "count": 1.5, "colour": "red"},)


class Server:
    """Refuses sizes above 9, a hundred at a time, and answers the others."""

    def __init__(self, broken: int = 0) -> None:
        self.broken, self.asked, self.answered = broken, 0, [0.0][:0]

    def __call__(self, records: Sequence[Record]) -> Batch:
        self.asked += 1
        if self.asked == self.broken:
            raise Unreachable("http://server", "gone")
        sizes = [float(str(record["size"])) for record in records]
        faults = [Fault(row=i, field="size", value=size) for i, size in enumerate(sizes) if size > 9]
        if faults:
            raise Refused(422, "no", faults[:100])
        self.answered += sizes
        answers = [Answer(prediction=size, prediction_id=f"{size}") for size in sizes]
        return Batch(model="small", version=3, predictions=answers)


def scored(sizes: Sequence[int], server: Server) -> Scoring:
    scoring = Scoring(name="x.csv", table=table("size\n" + "".join(f"{size}\n" for size in sizes)))
    scoring.go_on(server)
    return scoring


def test_refused_rows_are_told_and_the_others_answered_once() -> None:
    server = Server()
    found = scored([1, 10, 2, 11, 3], server)
    assert {place: answer.prediction for place, answer in found.answers.items()} == {0: 1, 2: 2, 4: 3}
    assert {place: faults[0].value for place, faults in found.refusals.items()} == {1: 10, 3: 11}
    assert (found.left, found.versions, server.answered) == ([], [3], [1, 2, 3])


def test_blocks_keep_their_places() -> None:
    sizes = [20 if place % 7 == 0 else place % 9 for place in range(BLOCK_ROWS * 2 + 3)]
    server = Server()
    found = scored(sizes, server)
    assert found.left == []
    assert {*found.refusals} == {place for place, size in enumerate(sizes) if size > 9}
    assert all(answer.prediction == sizes[place] for place, answer in found.answers.items())
    assert len(server.answered) == len(found.answers)


def test_a_file_without_a_good_row_is_not_asked_for_forever() -> None:
    server = Server()
    found = scored([20] * BLOCK_ROWS, server)
    assert found.left == []
    assert server.asked <= MOST_ASKED


def test_what_is_left_after_a_failure_is_scored_later_and_nothing_twice() -> None:
    server = Server(broken=2)
    found = scored([1] * (BLOCK_ROWS + 2), server)
    assert isinstance(found.problem, Unreachable)
    assert len(found.left) == 2
    found.go_on(server)
    assert found.left == []
    assert scored([1], Server()).problem is None
    assert len(server.answered) == BLOCK_ROWS + 2


def test_each_answer_names_the_version_that_gave_it() -> None:
    server, versions = Server(), iter([3, 4])

    def promoted_meanwhile(records: Sequence[Record]) -> Batch:
        return server(records).model_copy(update={"version": next(versions)})

    found = Scoring(name="x.csv", table=table("size\n" + "1\n" * (BLOCK_ROWS + 1)))
    found.go_on(promoted_meanwhile)
    assert found.versions == [3, 4]
    assert [*joined(SCHEMA, found)["version"]] == [3] * BLOCK_ROWS + [4]


def test_a_refusal_that_names_no_row_is_a_problem_of_all() -> None:
    def busy(_: Sequence[Record]) -> Batch:
        raise Refused(503, "busy")

    found = Scoring(name="x.csv", table=table("size\n1\n"))
    found.go_on(busy)
    assert isinstance(found.problem, Refused)
    assert found.left == [0]


def test_a_row_that_is_too_long_is_not_sent() -> None:
    server = Server()
    found = Scoring(name="x.csv", table=table("size,count\n1,2\n5,2,3\n"))
    found.go_on(server)
    assert (server.answered, found.refusals[1][0].reason) == ([1], "long")
