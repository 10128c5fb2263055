"""`servicio-ml check`: what the ETL would do with a file, said before it does."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from messy_files import write_rows
from servicio_ml.cli.app import app


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A raw file of the drafted use case `plums`."""
    monkeypatch.setenv("SERVICIO_ML_USE_CASES_DIR", str(tmp_path / "use_cases"))
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "var"))
    path = tmp_path / "rows.csv"
    path.write_text(write_rows("a", lambda i: f"{i * 13 % 70}"))
    drafted = CliRunner().invoke(app, ["init", "plums", "--source", str(path), "--target", "y", "--yes"])
    assert drafted.exit_code == 0, drafted.stderr
    return path


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, ["check", "plums", *map(str, words)])


def test_a_good_file_can_be_published(rows: Path) -> None:
    result = _run("--source", rows)
    assert result.exit_code == 0, result.stderr
    assert f"{rows} (original): 160 rows: 160 kept" in result.stdout
    assert result.stdout.splitlines()[-1] == "the file can be published by `servicio-ml etl`"


def test_rows_of_the_quarantine_are_named_with_their_value_and_line(rows: Path) -> None:
    rows.write_text(rows.read_text() + "500,3,yes\n,4,no\n7,8,perhaps\n")
    result = _run("--source", rows)
    assert result.exit_code == 0, result.stderr
    assert [line for line in result.stdout.splitlines() if line.startswith("quarantine")] == [
        "quarantine: a: it is missing: 1 row, first in line 163",
        "quarantine: a: it is not a whole number from 0 to 104 (such as '500'): 1 row, first in line 162",
        "quarantine: y: it is not one of no, yes (such as 'perhaps'): 1 row, first in line 164",
    ]


def test_every_refusal_is_named_and_the_exit_code_is_1(rows: Path) -> None:
    lines = rows.read_text().splitlines()
    rows.write_text(
        "\n".join(
            [
                lines[0],
                *(line for line in lines if line.endswith("no")),
                *(f"{900 + i},1,no" for i in range(60)),
            ]
        )
    )
    result = _run("--source", rows, "--json")
    assert result.exit_code == 1
    problems = json.loads(result.stdout)["problems"]
    assert problems[0].startswith("60 of 148 labelled rows are rejected, more than 20%")
    assert problems[1].startswith("no usable row has the class 'yes' of 'y'")
    assert problems[2].startswith("too few rows: class 'yes' of 'y' has 0 training rows and 0 test rows")


def test_nothing_is_published(rows: Path, tmp_path: Path) -> None:
    assert _run("--source", rows).exit_code == 0
    assert not (tmp_path / "var").exists()


def test_a_file_that_cannot_be_read_is_one_message(rows: Path) -> None:
    rows.write_text("b,x,y\n1,2,no\n")
    result = _run("--source", rows)
    assert result.exit_code == 1
    assert "missing column 'a'; found b, x, y" in result.stderr
