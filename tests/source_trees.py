"""Syntax trees of the project's Python files, parsed once for the tests that read them."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


@cache
def parse_source(path: Path) -> ast.Module:
    """Parse a file; nobody may change the tree."""
    return ast.parse(path.read_text())
