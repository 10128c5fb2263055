"""The example of docs/import.md runs: a pipeline of scikit-learn becomes a champion."""

import subprocess
import sys
from pathlib import Path

import pytest

from documents import ROOT, extract_blocks, run_script

PAGE = ROOT / "docs" / "import.md"


@pytest.mark.slow
def test_the_example_becomes_a_champion(tmp_path: Path) -> None:
    (script,), (commands,) = extract_blocks(PAGE, "python"), extract_blocks(PAGE, "sh")
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    done = run_script(commands, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "runs as ONNX: its scores differ from those of its library by at most" in done.stdout
    assert "promoted: version 1" in done.stdout
    assert (tmp_path / "use_cases" / "shop.py").exists()
