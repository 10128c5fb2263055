"""What every command shares: one message for an error, exit codes, one JSON document for machines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from servicio_ml.adapters.console import ConsoleProgress, SilentProgress
from servicio_ml.cli.session import FAILED, INTERRUPTED, open_session
from servicio_ml.errors import SourceError


def test_an_error_is_one_message_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, open_session(as_json=False, debug=False):
        raise SourceError("w.csv", "there is no such file; [name] another " + "x" * 100)
    out, err = capsys.readouterr()
    assert left.value.exit_code == FAILED
    assert err == "error: cannot read w.csv: there is no such file; [name] another " + "x" * 100 + "\n"
    assert out == ""


def test_debug_shows_where_it_happened() -> None:
    with pytest.raises(SourceError), open_session(as_json=False, debug=True):
        raise SourceError("w.csv", "there is no such file")


def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), open_session(as_json=False, debug=False):
        raise ZeroDivisionError


def test_an_interrupt_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, open_session(as_json=False, debug=False):
        raise KeyboardInterrupt
    assert left.value.exit_code == INTERRUPTED
    assert capsys.readouterr().err == "interrupted; the same command resumes here\n"


def test_a_wrong_setting_is_an_error_like_any_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATSD_PORT", "many")
    with pytest.raises(typer.Exit) as left, open_session(as_json=False, debug=False):
        pytest.fail("the command was opened")
    assert left.value.exit_code == FAILED
    assert capsys.readouterr().err.startswith("error: setting STATSD_PORT: 'many':")


def test_a_table_for_another_program_is_not_folded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    with open_session(as_json=False, debug=False) as opened:
        opened.print_table("counts", ["part", "rows"], [["x" * 50, "y" * 50]])
    assert f"{'x' * 50} │ {'y' * 50}" in capsys.readouterr().out


def test_people_read_lines_and_tables(capsys: pytest.CaptureFixture[str]) -> None:
    with open_session(as_json=False, debug=False) as opened:
        opened.print_line("[x] published")
        opened.print_table("counts", ["part", "rows"], [["train", 80], ["test", 20]])
        opened.print_document({"train": 80})
    out, err = capsys.readouterr()
    assert out.startswith("[x] published\ncounts")
    assert [row.split()[1::2] for row in out.splitlines() if "train" in row or "test" in row] == [
        ["train", "80"],
        ["test", "20"],
    ]
    assert err == ""
    assert isinstance(opened.progress, ConsoleProgress)


def test_machines_read_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    with open_session(as_json=True, debug=False) as opened:
        opened.print_line("published")
        opened.print_table("counts", ["part", "rows"], [["train", 80]])
        opened.print_document({"train": 80, "lake": Path("var/lake")})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"train": 80, "lake": "var/lake"}
    assert err == ""
    assert isinstance(opened.progress, SilentProgress)


def test_the_command_line_starts_without_heavy_libraries() -> None:
    heavy = {"mlflow", "polars", "pandas", "sklearn", "optuna", "matplotlib", "onnxruntime", "pyspark"}
    program = "import sys, servicio_ml.cli; print(*sys.modules)"
    started = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert heavy.intersection(started.stdout.split()) == set()


def test_what_the_system_refuses_is_one_message_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, open_session(as_json=False, debug=False):
        raise OSError(28, "No space left on device", "/tmp/rows")  # noqa: S108  nothing is written
    assert left.value.exit_code == FAILED
    err = capsys.readouterr().err
    assert err == "error: [Errno 28] No space left on device: '/tmp/rows'; --debug shows where\n"
