"""What every command shares: settings, progress, results on standard output, errors without a traceback."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from servicio_ml.domain.ports.progress import Progress
from servicio_ml.errors import ServicioError
from servicio_ml.settings import Settings, load_settings

# 130 is 128 + SIGINT, as shells report an interrupted program
FAILED, INTERRUPTED = 1, 130
# wide enough that no table is folded when its output goes to a file or a pipe
UNFOLDED = 1000
"""Characters in a line of a table that goes to a file or another program."""


def count_processors() -> int:
    """How many processors this process may use."""
    # a container may use fewer processors than the machine has
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSession:
    """One command's surroundings."""

    settings: Settings
    progress: Progress
    as_json: bool

    def print_document(self, document: Mapping[str, Any]) -> None:
        """Print the machine's result, where it was asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, indent=1, default=str) + "\n")

    def print_line(self, text: str) -> None:
        """Print one line of the people's result."""
        # standard output holds the document alone, so that it can be piped into `jq`
        if not self.as_json:
            Console(soft_wrap=True).print(text, highlight=False, markup=False)

    def print_table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table of the people's result."""
        if self.as_json:
            return
        table = Table(title=title, title_justify="left")
        for i, column in enumerate(columns):
            table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
        for row in rows:
            table.add_row(*(str(cell) for cell in row))
        console = Console(width=None if sys.stdout.isatty() else UNFOLDED)
        console.print(table, highlight=False, markup=False)


@contextmanager
def open_session(*, as_json: bool, debug: bool) -> Iterator[CommandSession]:
    """Open a command; an error of ours or the system's ends it with one message and exit code 1.

    An interrupt ends it with exit code 130; a fault of the program shows its traceback.
    """
    from servicio_ml import bootstrap

    # messages go to standard error and never mix with the result
    errors = Console(stderr=True, soft_wrap=True)
    progress = bootstrap.create_progress(None if as_json else errors)
    try:
        settings = load_settings()
        bootstrap.use_environments(settings)
        yield CommandSession(settings=settings, progress=progress, as_json=as_json)
    except (ServicioError, OSError) as error:
        if debug:
            raise
        # what the system refuses where nobody expected it: a full disk under the temporary folder, say
        remedy = "" if isinstance(error, ServicioError) else "; --debug shows where"
        errors.print(f"error: {error}{remedy}", style="red", highlight=False, markup=False)
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as interrupt:
        errors.print("interrupted; the same command resumes here", highlight=False, markup=False)
        raise typer.Exit(INTERRUPTED) from interrupt
