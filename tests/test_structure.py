"""The package's structure: modules per folder, sizes, comments and complexity stay within their limits."""

import ast
import statistics
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from source_trees import ROOT, parse_source

PACKAGE = ROOT / "servicio-ml" / "src" / "servicio_ml"
GENERATED = ("_pb2.py", "_pb2_grpc.py")
CODE = (
    "servicio-ml/src",
    "client",
    "streamlit_app",
    "monitoring",
    "airflow",
    "benchmarks",
    "docs",
    "deploy",
    "grafana",
    "tests",
)
MAX_MODULES_PER_FOLDER = 14
MAX_COMPLEXITY = 10
COMPLEX_WITH_REASON: dict[str, str] = {}
"""Functions above the limit, `path:name`, with the reason why splitting them would not make them clearer."""


def _list_modules(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if not path.name.endswith(GENERATED))


MODULES = _list_modules(PACKAGE)
FILES = [path for folder in CODE for path in _list_modules(ROOT / folder)]


def _list_functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _compute_percentile(values: Sequence[int], share: float) -> int:
    return sorted(values)[int(len(values) * share)]


def test_no_folder_of_the_package_has_more_than_14_modules() -> None:
    folders = {path.parent for path in MODULES}
    counts = {
        str(folder.relative_to(PACKAGE)): len(
            [path for path in folder.glob("*.py") if path.stem != "__init__"]
        )
        for folder in folders
    }
    assert {name: count for name, count in counts.items() if count > MAX_MODULES_PER_FOLDER} == {}


def test_functions_are_short() -> None:
    lengths = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in MODULES
        for node in _list_functions(parse_source(path))
    ]
    assert statistics.median(lengths) <= 7
    assert _compute_percentile(lengths, 0.95) <= 24


def test_modules_are_short() -> None:
    lengths = [len(path.read_text().splitlines()) for path in MODULES]
    assert statistics.median(lengths) <= 90
    assert _compute_percentile(lengths, 0.95) <= 260


def test_comments_give_reasons() -> None:
    """At least 2 % of the lines have a comment that is no directive of a tool."""
    lines = sum(len(path.read_text().splitlines()) for path in MODULES)
    assert sum(map(_count_comment_lines, MODULES)) / lines >= 0.02


def _count_comment_lines(path: Path) -> int:
    with path.open("rb") as file:
        return len(
            {
                token.start[0]
                for token in tokenize.tokenize(file.readline)
                if token.type == tokenize.COMMENT
                and not any(word in token.string for word in ("noqa", "type:", "fmt:"))
            }
        )


@pytest.mark.parametrize("folder", CODE)
def test_functions_have_few_branches(folder: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}:{node.name}": _compute_complexity(node)
        for path in FILES
        if path.is_relative_to(ROOT / folder)
        for node in _list_functions(parse_source(path))
    }
    above = {name: count for name, count in found.items() if count > MAX_COMPLEXITY}
    assert set(above) <= set(COMPLEX_WITH_REASON), above


def _compute_complexity(function: ast.AST) -> int:
    """Cyclomatic complexity: decisions, boolean operators and filters of comprehensions, plus one.

    A nested function counts by itself. Source: McCabe, "A Complexity Measure" (1976); boolean operators and
    comprehensions count as in the tool radon.
    """
    total, waiting = 1, list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        total += _count_decisions(node)
        waiting.extend(ast.iter_child_nodes(node))
    return total


def _count_decisions(node: ast.AST) -> int:
    match node:
        case ast.If() | ast.IfExp() | ast.ExceptHandler():
            return 1
        case ast.For() | ast.AsyncFor() | ast.While():
            return 1 + bool(node.orelse)
        case ast.BoolOp():
            return len(node.values) - 1
        case ast.comprehension():
            return 1 + len(node.ifs)
        case ast.match_case():
            return 1
    return 0


def test_the_named_exceptions_exist() -> None:
    names = {
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in FILES
        for node in _list_functions(parse_source(path))
    }
    assert set(COMPLEX_WITH_REASON) <= names
