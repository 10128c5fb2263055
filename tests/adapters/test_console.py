"""Progress: plain lines where nobody watches, bars on a terminal, nothing for machines."""

import io

import pytest
from rich.console import Console

from servicio_ml.adapters.console import ConsoleProgress, SilentProgress


def create_console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)


def read_output(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def test_without_a_terminal_a_bar_is_a_line_per_quarter() -> None:
    plain = create_console(terminal=False)
    with ConsoleProgress(plain).open_bar("tune lightgbm", total=8) as advance:
        for trial in range(8):
            advance(note=f"best {trial}")
    assert read_output(plain).splitlines() == [
        "tune lightgbm: 2/8 best 1",
        "tune lightgbm: 4/8 best 3",
        "tune lightgbm: 6/8 best 5",
        "tune lightgbm: 8/8 best 7",
    ]


def test_steps_that_skip_a_quarter_show_the_last_one_only() -> None:
    plain = create_console(terminal=False)
    with ConsoleProgress(plain).open_bar("read", total=100) as advance:
        advance(60)
        advance(40)
    assert read_output(plain).splitlines() == ["read: 60/100", "read: 100/100"]


@pytest.mark.parametrize("total", [0, 1])
def test_short_bars_are_complete(total: int) -> None:
    plain = create_console(terminal=False)
    with ConsoleProgress(plain).open_bar("read", total=total) as advance:
        advance(total)
    assert read_output(plain) == "read: 1/1\n" * total


def test_on_a_terminal_a_bar_moves_and_leaves_nothing_behind() -> None:
    terminal = create_console(terminal=True)
    progress = ConsoleProgress(terminal)
    with progress.open_bar("tune lightgbm", total=4) as advance:
        advance(3, note="best 0.89")
        progress.report("pruned")
    shown = read_output(terminal)
    assert "tune lightgbm" in shown
    assert "3/4" in shown
    assert "best 0.89" in shown
    assert "pruned\n" in shown
    assert shown.endswith("\x1b[2K")


def test_lines_are_shown_as_they_are_and_unbroken() -> None:
    plain = create_console(terminal=False)
    progress = ConsoleProgress(plain)
    progress.report("[bold]" + "x" * 200)
    progress.warn("3 columns are ignored")
    assert read_output(plain) == "[bold]" + "x" * 200 + "\nwarning: 3 columns are ignored\n"


def test_silence_keeps_the_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    progress = SilentProgress()
    progress.report("reading")
    progress.warn("3 columns are ignored")
    with progress.open_bar("tune", total=2) as advance:
        advance(2, note="done")
    assert progress.warnings == ["3 columns are ignored"]
    assert capsys.readouterr() == ("", "")
