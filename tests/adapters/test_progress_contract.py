"""One contract for the progress of a terminal, of a pipe and of a machine, which sees none."""

import io

import pytest
from rich.console import Console

from servicio_ml import bootstrap
from servicio_ml.domain.ports.progress import Progress


@pytest.fixture(params=["terminal", "pipe", "silent"])
def progress(request: pytest.FixtureRequest) -> Progress:
    if request.param == "silent":
        return bootstrap.create_progress(None)
    return bootstrap.create_progress(
        Console(file=io.StringIO(), force_terminal=request.param == "terminal", width=100)
    )


class TestProgress:
    """The contract of the port."""

    def test_lines_and_warnings_go_nowhere_near_the_results(
        self, progress: Progress, capsys: pytest.CaptureFixture[str]
    ) -> None:
        progress.report("reading [bold]")
        progress.warn("3 columns are ignored")
        with progress.open_bar("tune", total=2) as advance:
            advance(2, "done")
        assert capsys.readouterr().out == ""

    def test_a_bar_takes_steps_of_any_size_and_messages_meanwhile(self, progress: Progress) -> None:
        with progress.open_bar("tune", total=4) as advance:
            advance()
            advance(2, note="best 0.89")
            progress.report("pruned")
            advance(5)

    def test_an_empty_bar_and_a_second_one_open(self, progress: Progress) -> None:
        for total in (0, 1):
            with progress.open_bar("read", total=total):
                pass

    def test_a_bar_passes_an_error_on(self, progress: Progress) -> None:
        with pytest.raises(KeyError), progress.open_bar("read", total=1):
            raise KeyError
        with progress.open_bar("read again", total=1) as advance:
            advance()
