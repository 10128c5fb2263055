"""Adapters are picked in one place, and the package holds no test double."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "servicio-ml" / "src" / "servicio_ml"
PROGRAMS = ("airflow", "client", "deploy", "dockerfiles", "docs", "grafana", "monitoring", "streamlit_app")
"""Folders beside the package, which import-linter does not see."""
ADAPTERS = "servicio_ml.adapters"


def list_imports(path: Path) -> list[str]:
    """Absolute names of the modules that a file imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


@pytest.mark.parametrize("folder", PROGRAMS)
def test_programs_reach_adapters_through_bootstrap_only(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / folder).rglob("*.py")
        for name in list_imports(path)
        if name.startswith(ADAPTERS)
    ]
    assert found == []


def test_the_package_holds_no_test_double() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name.startswith(("Memory", "Fake", "Stub"))
    ]
    assert found == []
