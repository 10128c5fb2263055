"""The distribution: few dependencies, typed, a README of ten lines."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from documents import ROOT

DISTRIBUTION = ROOT / "client"
PACKAGE = DISTRIBUTION / "src" / "servicio_ml_client"
ALLOWED = {*sys.stdlib_module_names, "httpx", "pydantic", "servicio_ml_client"}
OPTIONAL = {"polars", "pyarrow"}
"""Loaded inside a function only."""


def _list_imports(nodes: list[ast.AST]) -> set[str]:
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)]
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_it_imports_httpx_and_pydantic_only(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert _list_imports(list(ast.iter_child_nodes(tree))) <= ALLOWED
    assert _list_imports(list(ast.walk(tree))) <= ALLOWED | OPTIONAL


def test_its_dependencies_are_what_it_imports() -> None:
    project = tomllib.loads((DISTRIBUTION / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["httpx>=0.28", "pydantic>=2.12"]
    assert project["optional-dependencies"] == {"arrow": ["pyarrow>=21"]}


def test_pyarrow_is_not_loaded_without_a_frame() -> None:
    program = "import servicio_ml_client, sys; sys.exit('pyarrow' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=DISTRIBUTION / "src")


def test_the_wheel_holds_the_package_and_its_types(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, check=True, cwd=DISTRIBUTION, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("servicio_ml_client/")}
    expected = {f"servicio_ml_client/{path.name}" for path in PACKAGE.iterdir() if path.is_file()}
    assert names == expected
    assert "servicio_ml_client/py.typed" in names
