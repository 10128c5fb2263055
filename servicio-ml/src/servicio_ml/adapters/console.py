"""Progress of a command: bars on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from servicio_ml.domain.ports.progress import Advance

PLAIN_LINES_PER_BAR = 4


class ConsoleProgress:
    """Progress on standard error, so that standard output has results only."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def report(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def warn(self, line: str) -> None:
        self._console.print(f"warning: {line}", style="yellow", highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def open_bar(self, what: str, total: int) -> Iterator[Advance]:
        opened = self._show_bar(what, total) if self._console.is_terminal else self._print_lines(what, total)
        with opened as advance:
            yield advance

    @contextmanager
    def _show_bar(self, what: str, total: int) -> Iterator[Advance]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(what, total=total, note="")

            def advance(steps: int = 1, note: str = "") -> None:
                progress.update(task, advance=steps, note=note)

            yield advance

    @contextmanager
    def _print_lines(self, what: str, total: int) -> Iterator[Advance]:
        done, printed_quarter = 0, 0

        def advance(steps: int = 1, note: str = "") -> None:
            nonlocal done, printed_quarter
            done += steps
            quarter = PLAIN_LINES_PER_BAR * done // max(total, 1)
            if quarter > printed_quarter:
                printed_quarter = quarter
                self.report(f"{what}: {done}/{total} {note}".rstrip())

        yield advance


class SilentProgress:
    """Progress that is not shown; warnings are recorded."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def report(self, line: str) -> None:
        """Nothing is shown."""

    def warn(self, line: str) -> None:
        self.warnings.append(line)

    @contextmanager
    def open_bar(self, what: str, total: int) -> Iterator[Advance]:  # noqa: ARG002  the port's parameters
        def advance(steps: int = 1, note: str = "") -> None:
            """Nothing is shown."""

        yield advance
