"""`servicio-ml init`: what a user types, what is written and printed, and how it ends."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from typer.testing import CliRunner, Result

from messy_files import write_passengers, write_rows
from servicio_ml.cli.app import app
from servicio_ml.cli.drafting import answers
from servicio_ml.use_cases.user_files import load_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder, with a raw file beside it."""
    folder = tmp_path / "use_cases"
    monkeypatch.setenv("SERVICIO_ML_USE_CASES_DIR", str(folder))
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "var"))
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(write_rows("a,id", lambda i: f"{i * 13 % 70},{i}"))
    return folder


def _run(*words: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["init", *words], input=answer)


def test_the_file_is_written_with_a_reason_for_each_column(folder: Path) -> None:
    result = _run("plums", "--source", "rows.csv", "--target", "y")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert "y: target, binary: 'yes' is the positive class, 45.0% of the rows; the other one is 'no'" in lines
    assert "a: integer: whole numbers, 0 to 69 in the file" in lines
    assert "id: left out: an identifier by its name, with 160 different whole numbers" in lines
    written = (folder / "plums.py").read_text().splitlines()
    assert f"{folder / 'plums.py'}: {len(written)} lines, written" in lines
    assert lines[-2:] == ["  servicio-ml etl plums --source rows.csv", "  servicio-ml train plums"]
    assert load_file(folder / "plums.py").schema.field_names == ("a", "x")


def test_the_same_file_gives_the_same_draft_and_changes_nothing(folder: Path) -> None:
    words = ("plums", "--source", "rows.csv", "--target", "y", "--yes")
    assert _run(*words).exit_code == 0
    again = _run(*words)
    assert again.exit_code == 0
    assert f"{folder / 'plums.py'}: unchanged" in again.stdout


def test_a_file_that_is_there_is_shown_and_kept_without_force(folder: Path) -> None:
    words = ("plums", "--source", "rows.csv", "--target", "y")
    assert _run(*words).exit_code == 0
    path = folder / "plums.py"
    mine = path.read_text().replace("maximum=104", "maximum=80")
    path.write_text(mine)
    refused = _run(*words)
    assert refused.exit_code == 1
    assert '-    Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=80),' in refused.stdout
    assert '+    Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104),' in refused.stdout
    assert "the file is there and differs from the draft; --force replaces it" in refused.stderr
    assert path.read_text() == mine
    assert _run(*words, "--force").exit_code == 0
    assert "maximum=104" in path.read_text()


def test_the_document_has_the_decisions_and_the_check(folder: Path) -> None:
    result = _run("plums", "--source", "rows.csv", "--target", "y", "--json")
    document = json.loads(result.stdout)
    assert document["path"] == str(folder / "plums.py")
    assert document["written"] is True
    assert document["decisions"]["x"] == "integer: whole numbers, 0 to 100 in the file"
    assert document["check"]["status_counts"]["kept"] == document["check"]["rows"] == 160


@pytest.mark.usefixtures("folder")
def test_a_draft_is_formatted(folder: Path) -> None:
    assert _run("plums", "--source", "rows.csv", "--target", "y").exit_code == 0
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Plums", "--source", "rows.csv", "--target", "y"], "use case 'Plums': names are snake case"),
        (["heart_disease", "--source", "rows.csv", "--target", "y"], "a shipped use case has that name"),
        (["plums", "--source", "lost.csv", "--target", "y"], "cannot read lost.csv: there is no such file"),
        (
            ["plums", "--source", "rows.csv"],
            "--target: it is missing; name the column to predict: a, id, x, y",
        ),
        (["plums", "--source", "rows.csv", "--target", "z"], "there is no column 'z' for --target"),
    ],
    ids=["name", "shipped name", "no file", "no target", "unknown target"],
)
def test_bad_input_ends_with_one_message_and_no_file(folder: Path, words: list[str], message: str) -> None:
    result = _run(*words)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not folder.exists()


def _write_day(i: int) -> str:
    return str(date(2020, 1, 1) + timedelta(days=i))


GUESSED = write_rows("a,date,day", lambda i: f"{i * 13 % 70},{_write_day(i)},{_write_day(i + 2)}").replace(
    ",yes\n", ",ham\n"
).replace(",no\n", ",egg\n")  # fmt: skip


@pytest.fixture
def terminal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder on a terminal, with a raw file whose classes and dates are guessed."""
    Path("rows.csv").write_text(GUESSED)
    # the runner of the tests replaces the standard input by a stream that is no terminal
    monkeypatch.setattr(answers, "is_terminal", lambda: True)
    return folder


def test_guesses_are_printed_where_nobody_is_asked(folder: Path) -> None:
    Path("rows.csv").write_text(GUESSED)
    result = _run("plums", "--source", "rows.csv", "--target", "y", "--yes")
    assert result.exit_code == 0, result.stderr
    assert "guessed: class whose probability is predicted: ham (of egg, ham)" in result.stdout
    assert "guessed: column of the date by which rows are split: date (of date, day)" in result.stdout
    use_case = load_file(folder / "plums.py")
    assert (use_case.target.labels, use_case.event_date) == (("egg", "ham"), "date")


def test_a_terminal_asks_what_was_guessed(terminal: Path) -> None:
    result = _run("plums", "--source", "rows.csv", answer="z\ny\negg\nday\n")
    assert result.exit_code == 0, result.stderr
    assert "'z' is none of a, date, day, x, y" in result.output
    assert "guessed" not in result.stdout
    use_case = load_file(terminal / "plums.py")
    assert (use_case.target.labels, use_case.event_date) == (("ham", "egg"), "day")


def test_answers_come_from_a_file(folder: Path) -> None:
    Path("rows.csv").write_text(GUESSED)
    Path("answers.toml").write_text('target = "y"\npositive = "egg"\ntime = "day"\n')
    result = _run("plums", "--source", "rows.csv", "--answers", "answers.toml")
    assert result.exit_code == 0, result.stderr
    use_case = load_file(folder / "plums.py")
    assert (use_case.target.labels, use_case.event_date) == (("ham", "egg"), "day")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 'red'", "answers.toml has 'colour'; names are target, positive, time"),
        ("positive = 1", "positive in answers.toml is 1; write a text in quotes"),
        ("target = 'a'", "answers.toml names the target 'a', --target 'y'; name one of them"),
        ("positive", "answers.toml: "),
        ("positive = 'tea'", "the target 'y' has no positive class 'tea' of two: its classes are egg, ham"),
        ("time = 'a'", "the column 'a' cannot date the rows; columns with a date in every row: date, day"),
    ],
    ids=["name", "number", "target", "no TOML", "unknown class", "no date"],
)
def test_wrong_answers_are_named(folder: Path, text: str, message: str) -> None:
    Path("rows.csv").write_text(GUESSED)
    Path("answers.toml").write_text(text)
    result = _run("plums", "--source", "rows.csv", "--target", "y", "--answers", "answers.toml")
    assert result.exit_code == 1
    assert message in result.stderr
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_a_draft_of_a_passenger_list_runs_on_to_a_champion() -> None:
    Path("titanic.csv").write_text(write_passengers(900))
    result = _run("titanic", "--source", "titanic.csv", "--target", "Survived", "--yes", "--run")
    assert result.exit_code == 0, result.stderr
    assert "promoted: version" in result.stdout
    [request] = [line for line in result.stdout.splitlines() if line.startswith("  curl")]
    row = json.loads(shlex.split(request)[-1])
    assert set(row) == {"pclass", "sex", "age", "sib_sp", "fare", "embarked"}


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "load", [load_breast_cancer, load_diabetes, load_wine], ids=["cancer", "diabetes", "wine"]
)
def test_a_draft_of_a_public_table_is_trained_unchanged(load: Callable[..., Any]) -> None:
    load(as_frame=True).frame.to_csv("table.csv", index=False)
    drafted = _run("table", "--source", "table.csv", "--target", "target", "--yes")
    assert drafted.exit_code == 0, drafted.stderr
    for words in (
        ["etl", "table", "--source", "table.csv"],
        ["train", "table", "--timeout", "5", "--trials", "2"],
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.stderr
    assert "promoted: version" in done.stdout


def test_a_preview_has_the_corrected_draft_and_writes_nothing(folder: Path) -> None:
    Path("answers.json").write_text('{"target": "y", "columns": {"a": {"kind": "number"}}}')
    words = ("plums", "--source", "rows.csv", "--answers", "answers.json", "--json", "--yes")
    document = json.loads(_run(*words, "--preview").stdout)
    (column,) = [each for each in document["draft"]["columns"] if each["column"] == "a"]
    assert column["kind"] == "number"
    assert column["reason"].endswith("; as you corrected it")
    assert not folder.exists()
    assert _run(*words).exit_code == 0
    assert (folder / "plums.py").read_text() == document["draft"]["source"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "answers.json holds no names; names are target, positive, time, columns"),
        ("{", "answers.json: Expecting property name"),
        ('{"columns": []}', "columns in answers.json is []"),
        ('{"columns": {"a": {"kind": "x"}}}', "the kind of 'a' is 'x'"),
    ],
)
def test_wrong_answers_as_json_are_refused(folder: Path, text: str, problem: str) -> None:
    Path("answers.json").write_text(text)
    result = _run("plums", "--source", "rows.csv", "--target", "y", "--answers", "answers.json")
    assert (result.exit_code, folder.exists()) == (1, False)
    assert problem in result.stderr
