"""Progress: plain lines where nobody watches, bars on a terminal, nothing for machines."""

import io

import pytest
from rich.console import Console

from servicio_ml.adapters.console import ConsoleProgress, SilentProgress


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)


def written(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def test_without_a_terminal_a_bar_is_a_line_per_quarter() -> None:
    plain = console(terminal=False)
    with ConsoleProgress(plain).bar("tune lightgbm", total=8) as advance:
        for trial in range(8):
            advance(note=f"best {trial}")
    assert written(plain).splitlines() == [
        "tune lightgbm: 2/8 best 1",
        "tune lightgbm: 4/8 best 3",
        "tune lightgbm: 6/8 best 5",
        "tune lightgbm: 8/8 best 7",
    ]


def test_steps_that_skip_a_quarter_tell_the_last_one_only() -> None:
    plain = console(terminal=False)
    with ConsoleProgress(plain).bar("read", total=100) as advance:
        advance(60)
        advance(40)
    assert written(plain).splitlines() == ["read: 60/100", "read: 100/100"]


@pytest.mark.parametrize("total", [0, 1])
def test_short_bars_are_no_trouble(total: int) -> None:
    plain = console(terminal=False)
    with ConsoleProgress(plain).bar("read", total=total) as advance:
        advance(total)
    assert written(plain) == "read: 1/1\n" * total


def test_on_a_terminal_a_bar_moves_and_leaves_nothing_behind() -> None:
    terminal = console(terminal=True)
    progress = ConsoleProgress(terminal)
    with progress.bar("tune lightgbm", total=4) as advance:
        advance(3, note="best 0.89")
        progress.say("pruned")
    shown = written(terminal)
    assert "tune lightgbm" in shown
    assert "3/4" in shown
    assert "best 0.89" in shown
    assert "pruned\n" in shown
    assert shown.endswith("\x1b[2K")


def test_lines_are_shown_as_they_are_and_unbroken() -> None:
    plain = console(terminal=False)
    progress = ConsoleProgress(plain)
    progress.say("[bold]" + "x" * 200)
    progress.warn("3 columns are ignored")
    assert written(plain) == "[bold]" + "x" * 200 + "\nwarning: 3 columns are ignored\n"


def test_silence_keeps_the_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    progress = SilentProgress()
    progress.say("reading")
    progress.warn("3 columns are ignored")
    with progress.bar("tune", total=2) as advance:
        advance(2, note="done")
    assert progress.warnings == ["3 columns are ignored"]
    assert capsys.readouterr() == ("", "")
