"""A Markdown table that is written line by line."""

from pathlib import Path


class MarkdownTable:
    """Lines of a Markdown table, in a file and on the terminal as they come."""

    def __init__(self, path: Path, *columns: str) -> None:
        self._path = path
        path.write_text("")
        self.add(*columns)
        self._write(f"|{'---|' * len(columns)}")

    def add(self, *cells: object) -> None:
        self._write(f"| {' | '.join(map(str, cells))} |")

    def _write(self, line: str) -> None:
        print(line, flush=True)
        with self._path.open("a") as file:
            file.write(f"{line}\n")
